import Glibc

/// What the process itself must have and find before it can work on a host's networks.
enum HostRequirements {
    private static let capabilities: [(name: String, bit: UInt64)] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)]
    private static let tools = [
        ("ip", "iproute2"), ("nft", "nftables"), ("dnsmasq", "dnsmasq-base"), ("unshare", "util-linux"),
    ]

    /// Throws the first thing that is missing.
    static func check() throws(HostNetworkError) {
        let lacking = lackingCapabilities()
        guard lacking.isEmpty else { throw .notPrivileged(lacking) }
        for (tool, package) in tools where HostCommand.find(tool) == nil {
            throw .toolMissing(tool, package: package)
        }
    }

    /// The capabilities that are needed and not effective.
    static func lackingCapabilities() -> [String] {
        let prefix = "CapEff:"
        let line = SystemFile.text("/proc/self/status")?.split(separator: "\n").first { $0.hasPrefix(prefix) }
        let digits = line?.dropFirst(prefix.count).drop { $0 == " " || $0 == "\t" } ?? "0"
        let effective = UInt64(digits, radix: 16) ?? 0
        return capabilities.filter { effective >> $0.bit & 1 == 0 }.map(\.name)
    }
}

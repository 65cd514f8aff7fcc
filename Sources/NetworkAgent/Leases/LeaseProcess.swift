import Glibc

/// A dnsmasq of ours that was found running.
package struct LeaseProcess: Hashable, Sendable {
    package let process: Int32
    /// The configuration file it was started with.
    package let configurationPath: String
    /// What its network namespace is recognized by.
    let namespaceIdentity: UInt64?

    /// All that run with a configuration below `directory`.
    static func running(below directory: String) -> [LeaseProcess] {
        SystemFile.names(in: "/proc").compactMap { name in
            guard let process = Int32(name), let path = configuration(of: process), path.hasPrefix(directory + "/")
            else {
                return nil
            }
            return LeaseProcess(
                process: process, configurationPath: path,
                namespaceIdentity: SystemFile.identity("/proc/\(process)/ns/net"))
        }
    }

    /// Whether the process still is what it was when it was found.
    var isAlive: Bool { Self.configuration(of: process) == configurationPath }

    /// Has it read the hosts and options files again.
    func reload() { if isAlive { kill(process, SIGHUP) } }

    /// Ends it and waits until it is gone; the last leases are written then.
    func stop() async {
        guard isAlive else { return }
        kill(process, SIGTERM)
        let deadline = ContinuousClock.now + .seconds(3)
        while isAlive, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(5)) }
        if isAlive { kill(process, SIGKILL) }
    }

    private static func configuration(of process: Int32) -> String? {
        guard let line = SystemFile.read("/proc/\(process)/cmdline"), !line.isEmpty else { return nil }
        let arguments = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard arguments.first?.hasSuffix("dnsmasq") == true else { return nil }
        let option = "--conf-file="
        return arguments.first { $0.hasPrefix(option) }.map { String($0.dropFirst(option.count)) }
    }
}

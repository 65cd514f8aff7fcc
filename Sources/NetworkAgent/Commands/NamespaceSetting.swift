import CNetworkNamespace

/// The kernel's settings under /proc/sys, as a network namespace sees them.
struct NamespaceSetting: Hashable, Sendable {
    /// The path below /proc/sys.
    let name: String
    let value: String

    static let forwarding = NamespaceSetting(name: "net/ipv4/ip_forward", value: "1")

    /// Whether the namespace has the setting with this value.
    func holds(in namespace: String) -> Bool { Self.read(name, in: namespace) == value }

    /// The value of a setting; `nil` if the kernel has no such setting or does not show it.
    static func read(_ name: String, in namespace: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = kn_read_setting_in_namespace(namespace, name, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        let text = String(decoding: buffer[..<Int(count)].map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(text.prefix { !$0.isWhitespace })
    }

    /// Sets it.
    func write(in namespace: String) throws(HostNetworkError) {
        let result = kn_write_setting_in_namespace(namespace, name, value)
        if result < 0 { throw .system(what: "set \(name) to \(value)", code: -result) }
    }
}

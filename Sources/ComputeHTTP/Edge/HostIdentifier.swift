import Crypto

/// Tells a project whether two of its servers share a host, without naming hosts.
enum HostIdentifier {
    /// 56 hexadecimal digits that depend on host and project; empty where there is no host.
    ///
    /// The reference takes SHA-224, of which this has the length and the form; the value means nothing outside.
    static func text(host: String?, project: String) -> String {
        guard let host, !host.isEmpty else { return "" }
        var hash = SHA256()
        hash.update(data: Array(project.utf8))
        hash.update(data: Array(host.utf8))
        let digest = hash.finalize()
        return String(unsafeUninitializedCapacity: 56) { buffer in
            var position = 0
            for byte in digest.prefix(28) {
                buffer[position] = digit(byte >> 4)
                buffer[position + 1] = digit(byte & 15)
                position += 2
            }
            return 56
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

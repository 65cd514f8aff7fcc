/// Where a host of the pool is reached: scheme, name and port.
struct XenEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// Whether TLS is spoken.
    let isSecure: Bool
    /// Name or address; IPv6 without brackets.
    let host: String
    /// Port.
    let port: Int

    init(isSecure: Bool, host: String, port: Int) {
        (self.isSecure, self.host, self.port) = (isSecure, host, port)
    }

    /// Parses `http://name`, `https://name:port`, with or without a path, which is not used.
    init?(_ url: String) {
        let rest: Substring
        if url.hasPrefix("https://") {
            (isSecure, rest) = (true, url.dropFirst(8))
        } else if url.hasPrefix("http://") {
            (isSecure, rest) = (false, url.dropFirst(7))
        } else {
            return nil
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@") else { return nil }
        var name = authority
        var digits: Substring?
        if authority.first == "[" {
            guard let close = authority.lastIndex(of: "]") else { return nil }
            name = authority[authority.index(after: authority.startIndex)..<close]
            let tail = authority[authority.index(after: close)...]
            guard tail.isEmpty || tail.first == ":" else { return nil }
            digits = tail.isEmpty ? nil : tail.dropFirst()
        } else if let colon = authority.lastIndex(of: ":") {
            name = authority[..<colon]
            digits = authority[authority.index(after: colon)...]
        }
        let standard = isSecure ? 443 : 80
        let port = digits.map { Int($0) ?? -1 } ?? standard
        guard !name.isEmpty, !name.contains(where: "[]".contains), (1...65535).contains(port) else { return nil }
        (host, self.port) = (String(name), port)
    }

    /// The same scheme and port on another host of the pool.
    func at(_ host: String) -> XenEndpoint { XenEndpoint(isSecure: isSecure, host: host, port: port) }

    /// The URL without a path.
    var description: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return "\(isSecure ? "https" : "http")://\(name):\(port)"
    }
}

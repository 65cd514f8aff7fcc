extension WireFormats {
    /// A URI of RFC 3986 with a valid scheme and a valid host. The reference escapes what is not allowed in the path,
    /// the query and the fragment before it judges, so nothing there is refused.
    static func isURI(_ text: String) -> Bool {
        guard let colon = text.firstIndex(where: { ":/?#".contains($0) }), text[colon] == ":",
            isScheme(text[..<colon])
        else { return false }
        let rest = text[text.index(after: colon)...]
        guard rest.hasPrefix("//") else { return false }
        return isAuthority(rest.dropFirst(2).prefix { !"/?#".contains($0) })
    }

    private static let unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    private static let hostCharacters = Set((unreserved + "!$&'()*+,;=").utf8)
    private static let userCharacters = hostCharacters.union(":".utf8)

    private static func isScheme(_ scheme: Substring) -> Bool {
        let bytes = Array(scheme.utf8)
        guard let first = bytes.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first | 0x20)
        else { return false }
        let allowed = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.".utf8)
        return bytes.allSatisfy(allowed.contains)
    }

    private static func isAuthority(_ authority: Substring) -> Bool {
        var host = authority
        if let mark = host.lastIndex(of: "@") {
            guard hasOnly(host[..<mark], userCharacters) else { return false }
            host = host[host.index(after: mark)...]
        }
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return false }
            guard isPort(host[host.index(after: end)...]) else { return false }
            return ipv6(host[host.index(after: host.startIndex)..<end].utf8) != nil
        }
        if let mark = host.lastIndex(of: ":") {
            guard isPort(host[mark...]) else { return false }
            host = host[..<mark]
        }
        return !host.isEmpty && hasOnly(host, hostCharacters)
    }

    /// Empty, or a colon and up to five digits.
    private static func isPort(_ text: Substring) -> Bool {
        if text.isEmpty { return true }
        let digits = text.utf8.dropFirst()
        return text.hasPrefix(":") && (digits.isEmpty || (digits.count <= 5 && decimal(digits, max: 99_999) != nil))
    }

    /// Allowed characters and percent escapes.
    private static func hasOnly(_ text: Substring, _ allowed: Set<UInt8>) -> Bool {
        let bytes = Array(text.utf8)
        var position = 0
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "%") {
                guard position + 2 < bytes.count, hexValue(bytes[position + 1]) != nil,
                    hexValue(bytes[position + 2]) != nil
                else { return false }
                position += 3
                continue
            }
            guard allowed.contains(bytes[position]) else { return false }
            position += 1
        }
        return true
    }
}

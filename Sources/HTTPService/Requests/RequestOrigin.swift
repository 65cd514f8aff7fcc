import Glibc

/// Where a client believes to have sent its request: scheme, authority, and a prefix that a proxy has stripped.
struct RequestOrigin {
    let url: String

    init(headers: HTTPHeaders, connection: ConnectionFacts) {
        let host = headers.first(name: "Host").flatMap { $0.isEmpty ? nil : $0 }
        let direct = host ?? connection.local.description
        guard connection.isTrustedProxy else {
            url = "http://" + direct
            return
        }
        func forwarded(_ name: String, where isValid: (String) -> Bool) -> String? {
            // A chain of proxies makes a list; its first element is what the client saw.
            let first = headers.first(name: name)?.split(separator: ",").first?.drop { $0 == " " }
            let value = first.map { String($0.prefix { $0 != " " }) }
            return value.flatMap { isValid($0) ? $0 : nil }
        }
        let scheme = forwarded("X-Forwarded-Proto") { $0 == "http" || $0 == "https" } ?? "http"
        var authority = forwarded("X-Forwarded-Host") { !$0.isEmpty && Self.isValidAuthority($0) } ?? direct
        let port = forwarded("X-Forwarded-Port") { UInt16($0) != nil }
        if let port, !Self.hasPort(authority), port != (scheme == "https" ? "443" : "80") {
            authority += ":" + port
        }
        url = scheme + "://" + authority + (forwarded("X-Forwarded-Prefix", where: Self.isValidPrefix) ?? "")
    }

    /// Host, optionally with a port: a name or IPv4 address of letters, digits, '.', '-', '_', or an IPv6 address in
    /// brackets. Empty is allowed, as RFC 9112 has it. User information is not.
    static func isValidAuthority(_ text: String) -> Bool {
        var rest = text.utf8[...]
        if rest.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")) else { return false }
            let address = rest[rest.index(after: rest.startIndex)..<end]
            guard address.contains(UInt8(ascii: ":")), address.allSatisfy({ isHexDigit($0) || $0 == 58 || $0 == 46 })
            else { return false }
            rest = rest[rest.index(after: end)...]
        } else {
            rest = rest.drop { isNameByte($0) }
        }
        guard let colon = rest.first else { return true }
        let port = rest.dropFirst()
        return colon == UInt8(ascii: ":") && port.count <= 5 && port.allSatisfy { 48...57 ~= $0 }
            && (port.isEmpty || UInt16(Substring(port)) != nil)
    }

    private static func hasPort(_ authority: String) -> Bool {
        authority.drop { $0 != "]" }.contains(":") || (!authority.hasPrefix("[") && authority.contains(":"))
    }

    private static func isValidPrefix(_ text: String) -> Bool {
        text.hasPrefix("/") && !text.hasSuffix("/") && !text.contains("..") && !text.contains("//")
            && text.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: "/") }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...70, 97...102: true
        default: false
        }
    }
}

/// The addresses and networks ("10.0.0.7", "10.0.0.0/8", "fd00::/8") of proxies whose `X-Forwarded-*` is believed.
package struct TrustedProxies: Sendable {
    private struct Network {
        let address: [UInt8]
        let prefixLength: Int
    }

    private let networks: [Network]

    /// Believes nobody.
    package static let none = TrustedProxies(networks: [])

    private init(networks: [Network]) { self.networks = networks }

    /// Parses the list; throws for the first entry that is neither an address nor a network.
    package init(_ entries: [String]) throws(TrustedProxiesError) {
        var networks: [Network] = []
        for entry in entries {
            let parts = entry.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count <= 2, let address = Self.bytes(String(parts[0])),
                let length = parts.count == 2 ? Int(parts[1]) : address.count * 8, 0...(address.count * 8) ~= length
            else { throw TrustedProxiesError(entry: entry) }
            networks.append(Network(address: address, prefixLength: length))
        }
        self.networks = networks
    }

    /// Whether the address is in the list.
    package func contains(_ address: RemoteAddress) -> Bool {
        guard !networks.isEmpty, let bytes = Self.bytes(address.host) else { return false }
        return networks.contains { network in
            guard network.address.count == bytes.count else { return false }
            return (0..<network.prefixLength).allSatisfy { bit in
                (network.address[bit / 8] ^ bytes[bit / 8]) & (0x80 >> UInt8(bit % 8)) == 0
            }
        }
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let isIPv6 = text.contains(":")
        guard inet_pton(isIPv6 ? AF_INET6 : AF_INET, text, &bytes) == 1 else { return nil }
        return isIPv6 ? bytes : Array(bytes.prefix(4))
    }
}

/// An entry of a list of proxies that is no address and no network.
package struct TrustedProxiesError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The entry as it was given.
    package let entry: String

    package var description: String {
        "\"\(entry)\" is neither an IP address nor a network such as 10.0.0.0/8 or fd00::/8."
    }
}

package import ServiceOptions

/// `[DEFAULT] transport_url`, understood: `rabbit://user:password@host:port,host2:port2/vhost`.
///
/// A host without user and password has those of the host before it. A missing port is 5672, or 5671 with TLS. User,
/// password and virtual host may be percent-encoded; an empty virtual host is `/`.
package struct TransportURL: Sendable, Hashable {
    /// One broker of the list.
    package struct Broker: Sendable, Hashable, CustomStringConvertible {
        package var host: String
        /// 0 to 65535; 0: the usual one.
        package var port: Int
        package var user: String
        package var password: Secret

        /// Host and port, as messages name it.
        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }
    /// In the order in which they are tried.
    package var brokers: [Broker]
    package var virtualHost: String
    /// What `?ssl=1` in the URL says; nil: nothing.
    package var asksForTLS: Bool?

    /// Understands a URL.
    ///
    /// - Throws: ``BrokerConfigurationError`` that shows the URL without its passwords.
    package init(_ url: Secret) throws(BrokerConfigurationError) {
        let text = url.revealed
        func refusal(_ reason: String) -> BrokerConfigurationError {
            BrokerConfigurationError(
                "[DEFAULT] transport_url = \(Self.redacted(text)): \(reason); write "
                    + "rabbit://user:password@host:port/vhost, with further hosts after commas")
        }
        guard let separator = text.firstRange(of: "://") else { throw refusal("it is not a URL") }
        guard ["rabbit", "amqp", "kombu+amqp"].contains(text[..<separator.lowerBound].lowercased()) else {
            throw refusal("the scheme '\(text[..<separator.lowerBound])' is not supported")
        }
        var rest = text[separator.upperBound...]
        if let question = rest.firstIndex(of: "?") {
            asksForTLS = try Self.asksForTLS(rest[rest.index(after: question)...], refusal)
            rest = rest[..<question]
        }
        let slash = rest.firstIndex(of: "/")
        let path = slash.map { String(rest[rest.index(after: $0)...]) } ?? ""
        guard let vhost = Self.decoded(path) else { throw refusal("the virtual host has a wrong % code") }
        virtualHost = vhost.isEmpty ? "/" : vhost
        brokers = []
        for part in rest[..<(slash ?? rest.endIndex)].split(separator: ",", omittingEmptySubsequences: false) {
            brokers.append(try Self.broker(part, after: brokers.last, refusal))
        }
    }

    private static func broker(
        _ text: Substring, after previous: Broker?, _ refusal: (String) -> BrokerConfigurationError
    ) throws(BrokerConfigurationError) -> Broker {
        var user = previous?.user ?? "guest"
        var password = previous?.password ?? "guest"
        var place = text
        if let at = text.lastIndex(of: "@") {
            let parts = text[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            place = text[text.index(after: at)...]
            guard let name = decoded(String(parts[0])), let secret = decoded(parts.count > 1 ? String(parts[1]) : "")
            else { throw refusal("user or password has a wrong % code") }
            guard !name.isEmpty else { throw refusal("there is no user before '@'") }
            (user, password) = (name, Secret(secret))
        }
        var host = place
        var port = 0
        let afterBracket = place.hasPrefix("[") ? place.firstIndex(of: "]") : nil
        if place.hasPrefix("["), afterBracket == nil { throw refusal("an address begins with '[' and does not end") }
        if let colon = place[(afterBracket ?? place.startIndex)...].lastIndex(of: ":") {
            guard let number = Int(place[place.index(after: colon)...]), (1...65535).contains(number) else {
                throw refusal("'\(place[place.index(after: colon)...])' is not a port")
            }
            (host, port) = (place[..<colon], number)
        }
        if afterBracket != nil { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw refusal("'\(host)' is not a host")
        }
        return Broker(host: String(host), port: port, user: user, password: password)
    }

    private static func asksForTLS(
        _ query: Substring, _ refusal: (String) -> BrokerConfigurationError
    ) throws(BrokerConfigurationError) -> Bool? {
        var asks: Bool?
        for item in query.split(separator: "&") {
            let parts = item.split(separator: "=", maxSplits: 1)
            guard parts.first == "ssl" else { continue }
            switch parts.count > 1 ? parts[1].lowercased() : "" {
            case "1", "true", "yes": asks = true
            case "0", "false", "no": asks = false
            default: throw refusal("ssl in its query is neither 1 nor 0")
            }
        }
        return asks
    }

    private static func decoded(_ text: String) -> String? {
        guard text.contains("%") else { return text }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(code)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// A URL as logs may show it: whatever could be a password is left out.
    package static func redacted(_ text: String) -> String {
        guard text.contains("@") else { return text.contains("://") ? text : "***" }
        let scheme = text.firstRange(of: "://").map { String(text[..<$0.upperBound]) } ?? ""
        let parts = text.dropFirst(scheme.count).split(separator: ",", omittingEmptySubsequences: false)
        return scheme
            + parts.map { part in part.lastIndex(of: "@").map { "***" + part[$0...] } ?? part[...] }
            .joined(separator: ",")
    }
}

/// Configuration with which no broker can be used, in one sentence with the remedy and without a password.
package struct BrokerConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// One request, as a responder sees it. Cheap to copy.
///
/// Everything was checked before: the path is valid percent-encoded UTF-8 without NUL and without `..`, the framing is
/// unambiguous, `Host` is syntactically valid.
package struct HTTPRequest: Sendable {
    /// The path as it was sent, still percent-encoded, without the query. Below a mount: what follows the mount's
    /// prefix, at least "/".
    package private(set) var path: String

    /// The parts of `path`, percent-decoded. A trailing slash makes no segment; an empty part in the middle does.
    package private(set) var pathSegments: [String]

    /// The prefix under which the responder is mounted ("/compute"), empty at the root. Never ends in a slash.
    package private(set) var mountPath: String

    private let facts: Facts

    /// What does not change while a request is handed on; behind one reference, so that copies stay cheap.
    private final class Facts: Sendable {
        let method: HTTPMethod
        let target: RequestTarget
        let headers: HTTPHeaders
        let body: HTTPRequestBody
        let connection: ConnectionFacts
        let id: RequestID

        init(
            _ method: HTTPMethod, _ target: RequestTarget, _ headers: HTTPHeaders, _ body: HTTPRequestBody,
            _ connection: ConnectionFacts, _ id: RequestID
        ) {
            (self.method, self.target, self.headers) = (method, target, headers)
            (self.body, self.connection, self.id) = (body, connection, id)
        }
    }

    init(
        method: HTTPMethod, target: RequestTarget, headers: HTTPHeaders, body: HTTPRequestBody,
        connection: ConnectionFacts, id: RequestID
    ) {
        facts = Facts(method, target, headers, body, connection, id)
        (path, pathSegments, mountPath) = (target.path, target.segments, "")
    }

    /// The method; `rawValue` is its name on the wire.
    package var method: HTTPMethod { facts.method }

    /// The whole path as it was sent, mount prefix included.
    package var fullPath: String { facts.target.path }

    /// The query's names and values in the order they were sent.
    package var query: HTTPQuery { facts.target.query }

    /// The header fields in the order they were sent; look-ups ignore case.
    package var headers: HTTPHeaders { facts.headers }

    /// The body. It can be read once.
    package var body: HTTPRequestBody { facts.body }

    /// The other end of the connection (a proxy's address where there is one).
    package var remoteAddress: RemoteAddress { facts.connection.remote }

    /// The tag of the listener that accepted the connection.
    package var listenerTag: String { facts.connection.listenerTag }

    /// The request's id, `req-<uuid>`.
    package var id: RequestID { facts.id }

    /// Scheme and authority under which the client reaches this server, without a trailing slash:
    /// "http://cloud.example:8774".
    ///
    /// Taken from `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix` when the connection comes from a trusted proxy
    /// and they are well formed, else from `Host`, else from the address the connection was accepted on.
    package var baseURL: String { RequestOrigin(headers: facts.headers, connection: facts.connection).url }

    /// A link to a path of this responder: `baseURL`, `mountPath` and the path, which begins with a slash.
    package func absoluteURL(_ path: String) -> String { baseURL + mountPath + path }

    /// The request as the responder mounted under its first `count` segments sees it.
    func mounted(droppingSegments count: Int) -> HTTPRequest {
        var copy = self
        var rest = path[...]
        for _ in 0..<count {
            rest = rest.dropFirst().drop { $0 != "/" }
        }
        copy.mountPath += path[..<rest.startIndex]
        copy.path = rest.isEmpty ? "/" : String(rest)
        copy.pathSegments.removeFirst(count)
        return copy
    }
}

/// The numeric address and the port of the other end of a connection.
package struct RemoteAddress: Sendable, Hashable, CustomStringConvertible {
    /// The numeric IPv4 or IPv6 address; an IPv4 client of a dual-stack listener has its IPv4 form.
    package let host: String
    /// The TCP port.
    package let port: Int

    /// An address given as text.
    package init(host: String, port: Int) {
        let mapped = "::ffff:"
        self.host = host.hasPrefix(mapped) && host.contains(".") ? String(host.dropFirst(mapped.count)) : host
        self.port = port
    }

    /// The address of a connected socket; empty for addresses that are no IP addresses.
    init(_ address: SocketAddress?) { self.init(host: address?.ipAddress ?? "", port: address?.port ?? 0) }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// What all requests of one connection share.
final class ConnectionFacts: Sendable {
    let remote: RemoteAddress
    /// Where the connection was accepted, for links when a client sends no `Host`.
    let local: RemoteAddress
    let listenerTag: String
    /// Whether `X-Forwarded-*` of this connection is believed.
    let isTrustedProxy: Bool

    init(remote: RemoteAddress, local: RemoteAddress, listenerTag: String, isTrustedProxy: Bool) {
        (self.remote, self.local) = (remote, local)
        (self.listenerTag, self.isTrustedProxy) = (listenerTag, isTrustedProxy)
    }
}

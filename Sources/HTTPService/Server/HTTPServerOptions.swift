import Glibc

/// Limits and time-outs of a server. Every one has a default that suits an API.
package struct HTTPServerOptions: Sendable {
    /// The most connections at a time; further ones are answered 503 and closed.
    package var connectionsMax = 8192
    /// The largest header section (names and values), in bytes; larger ones are answered 431.
    package var headerBytesMax = 32 * 1024
    /// The most header fields; more are answered 431.
    package var headerFieldsMax = 128
    /// The longest request target (path and query), in bytes; longer ones are answered 414.
    package var targetBytesMax = 16 * 1024
    /// How long a connection may wait for its next request.
    package var idleTimeout: Duration = .seconds(75)
    /// How long a request's header section may take from its first byte, and a new connection's first request from
    /// the connection on; then 408.
    package var headerTimeout: Duration = .seconds(30)
    /// How long a client may send nothing while its body is wanted, and take nothing while it is answered.
    package var stallTimeout: Duration = .seconds(60)
    /// The most unread bytes of a body that are skipped after the answer to keep a connection.
    package var skippedBodyBytesMax = 64 * 1024
    /// The proxies whose `X-Forwarded-*` fields are believed.
    package var trustedProxies = TrustedProxies.none
    /// The `Server` field; nil sends none.
    package var serverName: String?
    /// The time for `Date`, in seconds since 1970.
    package var unixTime: @Sendable () -> Int = { time(nil) }
    /// Random bits for request ids, called twice per connection.
    package var randomBits: @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }

    /// The defaults.
    package init() {}
}

/// One answered (or abandoned) request, for the access log.
package struct AccessRecord: Sendable {
    /// The request's id.
    package let id: RequestID
    /// The method's name.
    package let method: String
    /// The whole path as it was sent; not the query, which may carry secrets.
    package let path: String
    /// The status that was sent; 499 when the client went away before there was one.
    package let status: Int
    /// The bytes of the response's body.
    package let bodyBytes: Int
    /// From the complete header section to the last byte handed to the connection.
    package let duration: Duration
    /// The other end of the connection.
    package let remoteAddress: RemoteAddress
    /// The tag of the listener.
    package let listenerTag: String
}

/// Why a listener could not be opened.
package enum HTTPServerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Another program, or another listener of this one, has the port.
    case portInUse(host: String, port: Int)
    /// The system does not allow it, as a rule for a port below 1024.
    case notPermitted(host: String, port: Int)
    /// The address belongs to no interface of this machine, or the name does not resolve.
    case noSuchAddress(host: String, port: Int)
    /// The descriptor is no listening stream socket.
    case notListening(descriptor: CInt)
    /// The server has a listener of that tag.
    case duplicateTag(String)
    /// The server is shutting down.
    case shutDown
    /// Anything else the system said.
    case system(host: String, port: Int, reason: String)

    package var description: String {
        switch self {
        case .portInUse(let host, let port):
            "Cannot listen on \(RemoteAddress(host: host, port: port)): the port is in use; stop the program that "
                + "holds it (ss -ltnp 'sport = :\(port)' shows it) or configure another port."
        case .notPermitted(let host, let port):
            "Cannot listen on \(RemoteAddress(host: host, port: port)): not permitted; use a port above 1023 or run "
                + "with CAP_NET_BIND_SERVICE."
        case .noSuchAddress(let host, let port):
            "Cannot listen on \(RemoteAddress(host: host, port: port)): this machine has no such address; configure "
                + "one of its own (ip address shows them), or 0.0.0.0 for all."
        case .notListening(let descriptor):
            "Cannot accept connections from descriptor \(descriptor): it is no listening stream socket; bind it and "
                + "call listen before handing it over."
        case .duplicateTag(let tag):
            "Cannot add the listener \(tag): the server has one of that tag; remove it first or choose another tag."
        case .shutDown:
            "Cannot add a listener: the server is shut down; make a new server."
        case .system(let host, let port, let reason):
            "Cannot listen on \(RemoteAddress(host: host, port: port)): \(reason); choose another address or port."
        }
    }
}

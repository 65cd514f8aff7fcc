/// Where a server accepts connections.
package struct Listener: Sendable, Hashable {
    enum Source: Hashable {
        case address(host: String, port: Int)
        case descriptor(CInt)
    }

    let source: Source

    /// The name by which requests know where they came in, and by which the listener is removed. Unique in a server.
    package let tag: String

    /// A TCP listener on a host's address or name ("127.0.0.1", "::", "localhost"); port 0 lets the system choose.
    package static func tcp(host: String, port: Int, tag: String = "main") -> Listener {
        Listener(source: .address(host: host, port: port), tag: tag)
    }

    /// A stream socket that is bound and listens already, for example one made inside a network namespace.
    /// The server closes it when the listener is removed; until the listener is added it is the caller's, and so it
    /// remains when adding fails.
    package static func socket(descriptor: CInt, tag: String) -> Listener {
        Listener(source: .descriptor(descriptor), tag: tag)
    }
}

/// A listener that accepts connections.
package struct BoundListener: Sendable, Hashable {
    /// The listener's tag.
    package let tag: String
    /// The numeric address, and the port that the system chose where 0 was asked for.
    package let address: RemoteAddress

    /// The port.
    package var port: Int { address.port }

    /// "http://127.0.0.1:8774".
    package var url: String { "http://\(address)" }
}

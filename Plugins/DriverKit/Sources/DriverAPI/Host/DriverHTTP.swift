/// An HTTP request that the host carries out for a driver.
public struct DriverHTTPRequest: Hashable, Codable, Sendable {
    /// What is sent.
    public enum Body: Hashable, Codable, Sendable {
        case none
        case bytes([UInt8])
        /// The file's content, streamed.
        case file(path: String)
    }
    /// Where the answer's body goes.
    public enum Sink: Hashable, Codable, Sendable {
        /// Into the answer, up to so many bytes; more is an error.
        case memory(bytesMax: Int)
        /// To a new file, streamed; only for status 200. If the exchange throws, there is no file.
        case file(path: String)
    }
    /// How the peer proves who it is.
    public enum Trust: Hashable, Codable, Sendable {
        /// By a certificate that the system's authorities vouch for.
        case system
        /// By one that the authorities in a PEM file vouch for.
        case authorities(path: String)
        /// By nothing. Only where an operator has said so.
        case anyone
    }

    /// `GET`, `POST`, …
    public var method: String
    /// `http` or `https`.
    public var url: String
    /// Header fields in order.
    public var headers: [Header]
    /// What is sent.
    public var body: Body
    /// Where the answer's body goes.
    public var sink: Sink
    /// How the peer proves who it is.
    public var trust: Trust
    /// For the whole exchange.
    public var timeout: Duration

    /// A request; answers of up to 16 MiB are taken into memory.
    public init(
        _ method: String, _ url: String, headers: [Header] = [], body: Body = .none,
        sink: Sink = .memory(bytesMax: 16 << 20), trust: Trust = .system, timeout: Duration = .seconds(60)
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.sink = sink
        self.trust = trust
        self.timeout = timeout
    }

    /// One header field.
    public struct Header: Hashable, Codable, Sendable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }
}

/// What the peer answered.
public struct DriverHTTPAnswer: Hashable, Codable, Sendable {
    /// The status.
    public var status: Int
    /// Header fields in order.
    public var headers: [DriverHTTPRequest.Header]
    /// The body; empty when it went to a file.
    public var body: [UInt8]

    /// An answer.
    public init(status: Int, headers: [DriverHTTPRequest.Header], body: [UInt8]) {
        (self.status, self.headers, self.body) = (status, headers, body)
    }

    /// The first field of that name, whatever its case; `nil` if there is none.
    public func header(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.first { $0.name.lowercased() == wanted }?.value
    }
}

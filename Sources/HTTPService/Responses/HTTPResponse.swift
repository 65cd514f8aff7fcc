package import WireJSON

/// What a responder answers. The server adds `Date`, `Content-Length` or `Transfer-Encoding`, and `Connection`;
/// a responder that sets `Connection: close` has the connection closed.
package struct HTTPResponse: Sendable {
    /// The status code, 200 to 599.
    package var status: Int
    /// The header fields. Names and values must not contain control characters: such a response is replaced by a 500.
    package var headers: HTTPHeaders
    /// The body.
    package var body: Body

    /// A response's body.
    package enum Body: Sendable {
        /// None.
        case empty
        /// Bytes in memory.
        case bytes([UInt8])
        /// Bytes in memory, sent without another copy; for large documents that are kept.
        case buffer(ByteBuffer)
        /// Bytes produced while they are sent.
        case stream(HTTPBodyStream)
        /// A file. `Range` of a GET is honoured when the status is 200.
        case file(HTTPFile)
    }

    /// A response from its parts.
    package init(status: Int, headers: HTTPHeaders = [:], body: Body = .empty) {
        (self.status, self.headers, self.body) = (status, headers, body)
    }

    private static let jsonHeaders: HTTPHeaders = ["Content-Type": "application/json"]
    private static let textHeaders: HTTPHeaders = ["Content-Type": "text/plain; charset=utf-8"]

    /// A response without a body.
    package static func empty(_ status: Int) -> HTTPResponse { HTTPResponse(status: status) }

    /// JSON that is serialized already.
    package static func json(_ status: Int, _ bytes: [UInt8]) -> HTTPResponse {
        HTTPResponse(status: status, headers: jsonHeaders, body: .bytes(bytes))
    }

    /// A JSON value.
    package static func json(_ status: Int, _ value: JSONValue) -> HTTPResponse { json(status, value.serialized()) }

    /// Plain text.
    package static func text(_ status: Int, _ text: String) -> HTTPResponse {
        HTTPResponse(status: status, headers: textHeaders, body: .bytes(Array(text.utf8)))
    }

    /// The short JSON with which this module itself refuses requests:
    /// `{"error": {"code": 400, "title": "Bad Request", "message": "…"}}`. APIs have fault bodies of their own.
    package static func refusal(_ status: Int, _ message: String) -> HTTPResponse {
        var writer = JSONWriter(capacity: 128)
        writer.object { w in
            w.key("error")
            w.object { w in
                w.field("code", status)
                w.field("title", HTTPResponseStatus(statusCode: status).reasonPhrase)
                w.field("message", message)
            }
        }
        return json(status, writer.bytes)
    }

    /// Whether the body is in memory, so that the answer can be written at once.
    var isInMemory: Bool {
        switch body {
        case .empty, .bytes, .buffer: true
        case .stream, .file: false
        }
    }
}

/// A body that is produced while it is sent, with back-pressure.
package struct HTTPBodyStream: Sendable {
    /// The number of bytes that will be written; nil if unknown (sent in chunks).
    package let length: Int?
    /// Writes the body and returns. Runs in the request's task, which is cancelled when the client goes away. When it
    /// throws, the connection is cut, so that the client cannot take the part for the whole.
    package let produce: @Sendable (HTTPBodyWriter) async throws -> Void

    /// A body of `length` bytes, or of unknown length, written by `produce`.
    package init(length: Int? = nil, produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void) {
        (self.length, self.produce) = (length, produce)
    }

    /// The elements of a sequence.
    package init<S: AsyncSequence & Sendable>(
        length: Int? = nil, _ sequence: S
    ) where S.Element == ByteBuffer {
        self.init(length: length) { writer in
            for try await buffer in sequence { try await writer.write(buffer) }
        }
    }
}

/// Where a streamed body is written to. One write at a time.
package struct HTTPBodyWriter: Sendable {
    private let send: @Sendable (ByteBuffer) async -> HTTPBodyError?

    init(_ send: @escaping @Sendable (ByteBuffer) async -> HTTPBodyError?) { self.send = send }

    /// Sends the bytes; returns when the connection can take more.
    package func write(_ buffer: ByteBuffer) async throws(HTTPBodyError) {
        if let error = await send(buffer) { throw error }
    }

    /// Sends the bytes; returns when the connection can take more.
    package func write(_ bytes: [UInt8]) async throws(HTTPBodyError) { try await write(ByteBuffer(bytes: bytes)) }
}

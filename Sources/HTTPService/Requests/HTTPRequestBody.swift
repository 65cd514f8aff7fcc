/// A request's body: a sequence of byte buffers that arrive with back-pressure, so that an upload of any size needs
/// little memory. It can be read once.
///
/// A client that asked for it (`Expect: 100-continue`) is told to send the body when it is first read.
package struct HTTPRequestBody: AsyncSequence, Sendable {
    package typealias Element = ByteBuffer
    package typealias Failure = HTTPBodyError

    /// The most that `collect` takes unless told otherwise, in bytes (oslo.middleware's `max_request_body_size`).
    package static let collectedBytesMax = 114_688

    enum Source {
        case empty
        case buffer(ByteBuffer)
        case stream(RequestBodyStream)
    }

    private let source: Source

    /// `Content-Length`; nil when the body comes in chunks of unknown total size.
    package let declaredLength: Int?

    init(_ source: Source, declaredLength: Int?) {
        self.source = source
        self.declaredLength = declaredLength
    }

    /// No body.
    package static let empty = HTTPRequestBody(.empty, declaredLength: 0)

    /// A body that is in memory, for tests and for requests made inside the process.
    package static func bytes(_ bytes: [UInt8]) -> HTTPRequestBody {
        bytes.isEmpty ? .empty : HTTPRequestBody(.buffer(ByteBuffer(bytes: bytes)), declaredLength: bytes.count)
    }

    /// Whether the request has no body or one of length 0.
    package var isEmpty: Bool { declaredLength == 0 }

    /// The whole body. Throws `tooLarge` without reading further as soon as it is known to exceed the limit.
    package func collect(upTo limit: Int = collectedBytesMax) async throws(HTTPBodyError) -> [UInt8] {
        if let declaredLength, declaredLength > limit { throw .tooLarge(limit: limit) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Swift.min(declaredLength ?? 0, 1 << 20))
        var iterator = makeAsyncIterator()
        while let chunk = try await iterator.next(isolation: nil) {
            guard bytes.count + chunk.readableBytes <= limit else { throw .tooLarge(limit: limit) }
            bytes.append(contentsOf: chunk.readableBytesView)
        }
        return bytes
    }

    package func makeAsyncIterator() -> Iterator { Iterator(source: source) }

    /// Takes the body's buffers one after the other.
    package struct Iterator: AsyncIteratorProtocol {
        var source: Source

        package mutating func next() async throws(HTTPBodyError) -> ByteBuffer? { try await next(isolation: nil) }

        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(HTTPBodyError) -> ByteBuffer? {
            switch source {
            case .empty: return nil
            case .buffer(let buffer):
                source = .empty
                return buffer
            case .stream(let stream): return try await stream.next(isolation: actor)
            }
        }
    }
}

/// Why a request's body could not be read, or a response's body not be written.
package enum HTTPBodyError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The body is larger than the reader takes, in bytes.
    case tooLarge(limit: Int)
    /// The client closed the connection.
    case disconnected
    /// The client stopped sending, or stopped taking what was sent.
    case timedOut
    /// The body's framing is broken, for example a chunk size that is no number.
    case malformed
    /// The reading task was cancelled, or the request is answered already.
    case cancelled
    /// More or fewer bytes were written than the response had announced.
    case wrongLength(announced: Int)

    package var description: String {
        switch self {
        case .tooLarge(let limit): "The request body is larger than the \(limit) bytes that are accepted here."
        case .disconnected: "The client closed the connection."
        case .timedOut: "The client sent or took no data for too long."
        case .malformed: "The request body is not correctly framed."
        case .cancelled: "The request has ended."
        case .wrongLength(let announced): "The response body does not have the \(announced) bytes it announced."
        }
    }

    /// The status that tells a client about it.
    package var status: Int {
        switch self {
        case .tooLarge: 413
        case .timedOut: 408
        case .disconnected, .malformed: 400
        case .cancelled: 503
        case .wrongLength: 500
        }
    }
}

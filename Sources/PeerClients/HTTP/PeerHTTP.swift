package import AsyncHTTPClient
package import NIOCore
package import NIOHTTP1
package import WireJSON

/// Requests to one peer: JSON in and out, errors by meaning.
package struct PeerHTTP: Sendable {
    /// An answer that was read whole.
    package struct Answer: Sendable {
        package let status: Int
        package let headers: HTTPHeaders
        package let bytes: [UInt8]
    }

    /// The peer's name in messages: `image`.
    package let service: String
    /// Without a slash at the end.
    package let baseURL: String
    private let client: HTTPClient
    private let timeout: Duration

    /// - Parameter baseURL: scheme, host, port and path prefix.
    package init(service: String, baseURL: String, client: HTTPClient, timeout: Duration = .seconds(30)) {
        self.service = service
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
        self.client = client
        self.timeout = timeout
    }

    /// Sends a request and reads its answer, of any status.
    ///
    /// - Parameter path: begins with a slash; percent-encoded by the caller.
    package func exchange(
        _ method: HTTPMethod, _ path: String, headers: HTTPHeaders = [:], body: JSONValue? = nil,
        bytesMax: Int = 16 << 20
    ) async throws(PeerError) -> Answer {
        var request = HTTPClientRequest(url: baseURL + path)
        request.method = method
        request.headers = headers
        request.headers.replaceOrAdd(name: "Accept", value: "application/json")
        if let body {
            request.headers.replaceOrAdd(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.serialized()))
        }
        do {
            let response = try await client.execute(request, timeout: .nanoseconds(timeout.nanoseconds))
            var buffer = try await response.body.collect(upTo: bytesMax)
            return Answer(
                status: Int(response.status.code), headers: response.headers,
                bytes: buffer.readBytes(length: buffer.readableBytes) ?? [])
        } catch {
            throw .unreachable(service: service, reason: "\(method.rawValue) \(baseURL)\(path): \(error)")
        }
    }

    /// Sends a request and returns its JSON answer; `null` for an empty one.
    ///
    /// - Throws: ``PeerError`` for every status of 300 and more.
    package func json(
        _ method: HTTPMethod, _ path: String, headers: HTTPHeaders = [:], body: JSONValue? = nil
    ) async throws(PeerError) -> JSONValue {
        let answer = try await exchange(method, path, headers: headers, body: body)
        guard answer.status < 300 else { throw error(answer) }
        guard !answer.bytes.isEmpty else { return .null }
        do {
            return try JSONParser.parse(answer.bytes)
        } catch {
            throw .malformed(service: service, reason: "\(method.rawValue) \(path): \(error)")
        }
    }

    /// Sends a request and hands its answer's body over piece by piece.
    package func stream(_ path: String, headers: HTTPHeaders) async throws(PeerError) -> HTTPClientResponse {
        var request = HTTPClientRequest(url: baseURL + path)
        request.headers = headers
        let response: HTTPClientResponse
        do {
            response = try await client.execute(request, timeout: .hours(6))
        } catch {
            throw .unreachable(service: service, reason: "GET \(baseURL)\(path): \(error)")
        }
        guard response.status.code < 300 else {
            let body = try? await response.body.collect(upTo: 65536)
            throw error(
                Answer(
                    status: Int(response.status.code), headers: response.headers,
                    bytes: body.map { Array($0.readableBytesView) } ?? []))
        }
        return response
    }

    /// Sends a request whose body comes piece by piece.
    ///
    /// - Throws: ``PeerError`` for every status of 300 and more.
    package func send(
        _ method: HTTPMethod, _ path: String, headers: HTTPHeaders,
        _ pieces: some AsyncSequence<ByteBuffer, any Error> & Sendable, length: Int64
    ) async throws(PeerError) {
        var request = HTTPClientRequest(url: baseURL + path)
        request.method = method
        request.headers = headers
        request.body = .stream(pieces, length: .known(length))
        let answer: Answer
        do {
            let response = try await client.execute(request, timeout: .hours(6))
            let body = try await response.body.collect(upTo: 65536)
            answer = Answer(
                status: Int(response.status.code), headers: response.headers, bytes: Array(body.readableBytesView))
        } catch {
            throw .unreachable(service: service, reason: "\(method.rawValue) \(baseURL)\(path): \(error)")
        }
        guard answer.status < 300 else { throw error(answer) }
    }

    /// The meaning of an answer that is not a success.
    package func error(_ answer: Answer) -> PeerError {
        let message = Self.message(answer)
        return switch answer.status {
        case 400: .badRequest(service: service, message: message)
        case 401: .unauthorized(service: service, message: message)
        case 403: .forbidden(service: service, message: message)
        case 404, 410: .notFound(service: service, message: message)
        case 409:
            message.contains("OverQuota") || message.contains("Quota exceeded")
                ? .overQuota(service: service, message: message) : .conflict(service: service, message: message)
        case 413, 429: .overQuota(service: service, message: message)
        case 500...: .failed(service: service, status: answer.status, message: message)
        default: .badRequest(service: service, message: "unexpected status \(answer.status): \(message)")
        }
    }

    /// The sentence inside the error bodies of Keystone, Glance and Neutron.
    private static func message(_ answer: Answer) -> String {
        guard let body = try? JSONParser.parse(answer.bytes) else {
            return String(decoding: answer.bytes.prefix(500), as: UTF8.self)
        }
        for (_, value) in body.object?.members ?? [] {
            if let text = value["message"]?.string { return text }
            if let text = value.string { return text }
        }
        return body.text
    }

    /// A text as one segment of a path or one value of a query.
    package static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(Character(UnicodeScalar(byte)))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return result
    }
}

extension Duration {
    /// Whole nanoseconds.
    fileprivate var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}

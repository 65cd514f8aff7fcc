import NIOConcurrencyHelpers
package import WireJSON

/// Calls a responder without a socket, so that an API's tests need none: the same checks of path and headers, the same
/// order of `respondAtOnce` and `respond`.
///
///     let http = InMemoryHTTP(api)
///     let answer = await http.send(.POST, "/v2.1/servers", headers: ["X-Auth-Token": token], json: body)
package final class InMemoryHTTP: Sendable {
    private let responder: any HTTPResponder
    private let connection: ConnectionFacts
    private let ids = NIOLockedValueBox(RequestIDSource(seeds: (1, 2)))

    /// A client of the responder. Ids are the same in every run.
    package init(
        _ responder: any HTTPResponder, remoteHost: String = "127.0.0.1", listenerTag: String = "test"
    ) {
        self.responder = responder
        connection = ConnectionFacts(
            remote: RemoteAddress(host: remoteHost, port: 50_000), local: RemoteAddress(host: "127.0.0.1", port: 80),
            listenerTag: listenerTag, isTrustedProxy: false)
    }

    /// Sends a request and collects the answer. The target is the path with the query, encoded as on the wire.
    package func send(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: [UInt8] = []
    ) async -> InMemoryResponse {
        var headers = headers
        if !headers.contains(name: "Host") { headers.add(name: "Host", value: connection.local.description) }
        if !body.isEmpty { headers.replaceOrAdd(name: "Content-Length", value: String(body.count)) }
        let head = HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers)
        let request: HTTPRequest
        do throws(HTTPRefusal) {
            _ = try RequestFraming(head)
            request = HTTPRequest(
                method: method, target: try RequestTarget(target, method: method), headers: headers,
                body: .bytes(body), connection: connection, id: ids.withLockedValue { $0.next() })
        } catch {
            return await collect(.refusal(error.status, error.message), request: nil)
        }
        if body.isEmpty, let response = responder.respondAtOnce(to: request) {
            return await collect(response, request: request)
        }
        return await collect(await responder.respond(to: request), request: request)
    }

    /// Sends a JSON body.
    package func send(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], json: JSONValue
    ) async -> InMemoryResponse {
        var headers = headers
        headers.replaceOrAdd(name: "Content-Type", value: "application/json")
        return await send(method, target, headers: headers, body: json.serialized())
    }

    private func collect(_ response: HTTPResponse, request: HTTPRequest?) async -> InMemoryResponse {
        var response = response
        if case .file(let file) = response.body, let request {
            response = FileRange.apply(to: response, file: file, request: request)
        }
        let collected = NIOLockedValueBox<[UInt8]>([])
        var failure: (any Error)?
        switch response.body {
        case _ where request?.method == .HEAD: break
        case .empty: break
        case .bytes(let bytes): collected.withLockedValue { $0 = bytes }
        case .buffer(let buffer): collected.withLockedValue { $0 = Array(buffer.readableBytesView) }
        case .stream(let stream):
            let writer = HTTPBodyWriter { buffer in
                collected.withLockedValue { $0.append(contentsOf: buffer.readableBytesView) }
                return nil
            }
            do { try await stream.produce(writer) } catch { failure = error }
        case .file: break  // made a stream above
        }
        return InMemoryResponse(
            status: response.status, headers: response.headers, body: collected.withLockedValue { $0 },
            bodyFailure: failure)
    }
}

/// A collected answer.
package struct InMemoryResponse: Sendable {
    /// The status code.
    package let status: Int
    /// The header fields that the responder set.
    package let headers: HTTPHeaders
    /// The body; empty for HEAD.
    package let body: [UInt8]
    /// What a streamed body threw, if it did.
    package let bodyFailure: (any Error)?

    /// The body as text.
    package var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; throws when it is none.
    package func json() throws(JSONParseError) -> JSONValue { try JSONParser.parse(body) }
}

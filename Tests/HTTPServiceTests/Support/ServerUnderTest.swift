import HTTPService
import Logging
import NIOConcurrencyHelpers
import Testing

/// Runs a server on a port of the system's choice for the time of the body.
func withServer(
    _ responder: any HTTPResponder, options: HTTPServerOptions = HTTPServerOptions(),
    accessLog: (@Sendable (AccessRecord) -> Void)? = nil, body: (Int, HTTPServer) async throws -> Void
) async throws {
    let server = HTTPServer(
        listeners: [.tcp(host: "127.0.0.1", port: 0)], responder: responder, options: options, logger: quietLogger,
        accessLog: accessLog)
    let bound = try await server.start()
    do {
        try await body(bound[0].port, server)
    } catch {
        await server.shutdown(grace: .zero)
        throw error
    }
    await server.shutdown(grace: .zero)
}

/// Runs a server whose responder is a closure, and hands over a connected client.
func withClient(
    options: HTTPServerOptions = HTTPServerOptions(),
    _ answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse, body: (RawClient) async throws -> Void
) async throws {
    try await withServer(ClosureResponder(answer), options: options) { port, _ in
        try await body(try await RawClient(port: port))
    }
}

let quietLogger: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

/// Waits for a condition; fails after the deadline.
func eventually(
    _ what: Comment, within limit: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async -> Bool
) async {
    let deadline = ContinuousClock.now + limit
    while await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        try? await Task.sleep(for: .milliseconds(5))
    }
}

/// A value that tests and responders share.
final class Shared<Value: Sendable>: Sendable {
    private let storage: NIOLockedValueBox<Value>
    init(_ value: Value) { storage = NIOLockedValueBox(value) }
    var value: Value { storage.withLockedValue { $0 } }
    func change(_ body: (inout Value) -> Void) { storage.withLockedValue { body(&$0) } }
}

/// Answers at once with the path; "/slow…" is answered by the task instead.
struct EchoAtOnce: HTTPResponder {
    func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? {
        request.path.hasPrefix("/slow") ? nil : .text(200, request.path)
    }

    func respond(to request: HTTPRequest) async -> HTTPResponse {
        try? await Task.sleep(for: .milliseconds(20))
        return .text(200, request.path)
    }
}

/// The smallest GET.
func get(_ target: String, _ fields: String = "") -> String { "GET \(target) HTTP/1.1\r\nHost: t\r\n\(fields)\r\n" }

/// Answers with the number of bytes in the body, read as a stream.
@Sendable func countBody(_ request: HTTPRequest) async -> HTTPResponse {
    var count = 0
    do {
        for try await buffer in request.body { count += buffer.readableBytes }
        return .text(200, String(count))
    } catch {
        return .refusal(error.status, error.description)
    }
}

/// Collects the body and sends it back.
@Sendable func echoBody(_ request: HTTPRequest) async -> HTTPResponse {
    do throws(HTTPBodyError) {
        return HTTPResponse(status: 200, body: .bytes(try await request.body.collect()))
    } catch {
        return .refusal(error.status, error.description)
    }
}

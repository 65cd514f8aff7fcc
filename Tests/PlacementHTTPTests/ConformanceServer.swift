import Database
import DatabaseServers
import Foundation
import HTTPService
import Identity
import Logging
import Placement
import PlacementHTTP
import Synchronization
import Testing

/// Not a test: the API on a port of the system's choice, for conformance runs from outside. Runs only when
/// PLACEMENT_SERVE names the file that gets the port, until that file is removed.
@Test(.enabled(if: ProcessInfo.processInfo.environment["PLACEMENT_SERVE"] != nil))
func servesForConformanceRuns() async throws {
    let path = try #require(ProcessInfo.processInfo.environment["PLACEMENT_SERVE"])
    let switchable = SwitchableResponder(try await SwitchableResponder.api("legacy"))
    let server = HTTPServer(
        listeners: [.tcp(host: "127.0.0.1", port: 0)], responder: switchable, logger: Logger(label: "serve"))
    let bound = try await server.start()
    try "\(bound[0].address.port)".write(toFile: path, atomically: true, encoding: .utf8)
    while FileManager.default.fileExists(atPath: path) { try await Task.sleep(for: .milliseconds(200)) }
    await server.shutdown(grace: .seconds(1))
}

/// Answers with an API that `POST /__reset/{mode}` replaces by a fresh one.
private final class SwitchableResponder: HTTPResponder {
    private let inner: Mutex<any HTTPResponder>

    init(_ inner: any HTTPResponder) { self.inner = Mutex(inner) }

    func respond(to request: HTTPRequest) async -> HTTPResponse {
        if request.pathSegments.first == "__reset", let mode = request.pathSegments.last,
            let fresh = try? await Self.api(mode)
        {
            inner.withLock { $0 = fresh }
            return .empty(204)
        }
        let responder = inner.withLock { $0 }
        return await responder.respond(to: request)
    }

    static func api(_ mode: String) async throws -> PlacementAPI {
        let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
        let service = try await PlacementService.start(
            database: database, logger: Logger(label: "serve"), clock: { Int64(Date().timeIntervalSince1970) })
        var rules = PlacementPolicy.rules(newDefaultsOnly: mode == "secure")
        if mode == "open" { rules = rules.map { PolicyRule($0.name, "@", $0.description) } }
        return PlacementAPI(
            service: service, authentication: .headers, policy: try PolicyEnforcer(rules),
            allowedOrigins: mode == "cors" ? ["http://valid.example.com"] : [], logger: Logger(label: "serve"))
    }
}

import Database
import DatabaseServers
import HTTPService
import Identity
import Logging
import Placement
import PlacementHTTP
import WireJSON

/// The API over a database of its own, called in memory as an administrator.
struct Harness {
    let http: InMemoryHTTP
    let service: PlacementService

    static func start(_ authentication: PlacementAuthentication = .headers) async throws -> Harness {
        let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
        let service = try await PlacementService.start(
            database: database, logger: Logger(label: "test"), clock: { 1_763_000_000 })
        let api = PlacementAPI(
            service: service, authentication: authentication, policy: try PolicyEnforcer(PlacementPolicy.rules()),
            logger: Logger(label: "test"))
        return Harness(http: InMemoryHTTP(api), service: service)
    }

    func send(
        _ method: HTTPMethod, _ path: String, _ version: String = "1.39", token: String = "admin",
        json: JSONValue? = nil
    ) async -> InMemoryResponse {
        let headers: HTTPHeaders = ["X-Auth-Token": token, "OpenStack-API-Version": "placement \(version)"]
        if let json { return await http.send(method, path, headers: headers, json: json) }
        return await http.send(method, path, headers: headers)
    }
}

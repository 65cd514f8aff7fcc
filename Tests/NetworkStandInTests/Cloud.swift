import ComputeModel
import Database
import DatabaseServers
import HTTPService
import Identity
import Logging
import NetworkStandIn
import Synchronization
import Testing
import WireJSON

/// The network service on a database in memory, with tokens that say what they are: `admin`, `service`,
/// `member:<project>`, `reader:<project>`.
final class Cloud: Sendable {
    struct NamedTokens: TokenValidating {
        func validate(_ token: String) async throws(TokenRefusal) -> TokenFacts {
            let parts = token.split(separator: ":").map(String.init)
            guard let role = parts.first, ["admin", "service", "member", "reader"].contains(role) else {
                throw .invalid
            }
            return TokenFacts(
                userID: role, userName: role, projectID: parts.count > 1 ? parts[1] : role, roles: [role],
                expiresAt: Timestamp(seconds: 4_000_000_000))
        }
    }

    let api: NetworkAPI
    private let http: InMemoryHTTP
    private let record: Record

    private init(_ api: NetworkAPI, _ record: Record) {
        (self.api, http, self.record) = (api, InMemoryHTTP(api), record)
    }

    final class Record: Sendable {
        let notices = Mutex<[NetworkChange]>([])
    }

    static func open(_ options: NetworkStandInOptions = NetworkStandInOptions()) async throws -> Cloud {
        let record = Record()
        let api = try await NetworkAPI.make(
            options, database: try await SQLDatabase.open(url: TestEngine.emptyDatabase()), tokens: NamedTokens(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            now: { Timestamp(seconds: 1_700_000_000) },
            changed: { change in record.notices.withLock { $0.append(change) } })
        return Cloud(api, record)
    }

    /// The changes told since the last call.
    func takeNotices() -> [NetworkChange] {
        record.notices.withLock { notices in
            defer { notices = [] }
            return notices
        }
    }

    struct Answer {
        let status: Int
        let body: JSONValue
        /// Neutron's name of the refusal.
        var refusal: String? { body["NeutronError"]?["type"]?.string }
    }

    func send(
        _ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil, as token: String = "member:p"
    ) async
        -> Answer
    {
        let headers: HTTPHeaders = ["X-Auth-Token": token]
        let answer =
            if let body {
                await http.send(method, "/v2.0\(path)", headers: headers, json: body)
            } else {
                await http.send(method, "/v2.0\(path)", headers: headers)
            }
        return Answer(status: answer.status, body: (try? answer.json()) ?? .null)
    }

    /// Creates a resource that must come to be.
    func make(
        _ path: String, _ attributes: JSONValue, as token: String = "member:p",
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> JSONValue {
        let member = path.dropLast().map { $0 == "-" ? "_" : String($0) }.joined()
        let answer = await send(.POST, "/\(path)", [member: attributes], as: token)
        #expect(answer.status == 201, "\(answer.body)", sourceLocation: sourceLocation)
        return try #require(answer.body[member], sourceLocation: sourceLocation)
    }

    func list(_ path: String, as token: String = "member:p") async -> [JSONValue] {
        let name = path.prefix { $0 != "?" }.map { $0 == "-" ? "_" : String($0) }.joined()
        return await send(.GET, "/\(path)", as: token).body[name]?.array ?? []
    }

    /// A network with one subnet.
    func network(_ cidr: String = "10.0.0.0/24", as token: String = "member:p") async throws -> (
        String, String
    ) {
        let network = try await make("networks", ["name": "net"], as: token)["id"]?.string ?? ""
        let subnet = try await make(
            "subnets", ["network_id": .string(network), "ip_version": 4, "cidr": .string(cidr)], as: token
        )
        return (network, subnet["id"]?.string ?? "")
    }

    /// An external network with its subnet.
    func external() async throws -> (String, String) {
        let network = try await make(
            "networks", ["name": "public", "router:external": true], as: "admin")
        let id = network["id"]?.string ?? ""
        let subnet = try await make(
            "subnets",
            ["network_id": .string(id), "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": false],
            as: "admin")
        return (id, subnet["id"]?.string ?? "")
    }
}

extension JSONValue {
    var id: String { self["id"]?.string ?? "" }
    var addresses: [String] {
        (self["fixed_ips"]?.array ?? []).compactMap { $0["ip_address"]?.string }
    }
}

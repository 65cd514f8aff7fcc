import ComputeHTTP
import ComputeModel
import ComputeStore
import Database
import DatabaseServers
import DriverAPI
import HTTPService
import Identity
import Logging
import Messaging
import ServiceOptions
import WireJSON

/// The compute API in memory: a database of its own, peers that a test fills, a bus that a test may listen on.
struct APIFixture {
    let http: InMemoryHTTP
    let store: ComputeStore
    let images: FakeImages
    let networks: FakeNetworks
    let projects: FakeProjects
    let bus: MessageBus

    /// Projects of the usual callers.
    static let project = "0123456789abcdef0123456789abcdef"
    static let otherProject = "fedcba9876543210fedcba9876543210"

    /// - Parameter change: changes the options before the API starts.
    static func start(_ change: (inout KilonovaOptions) -> Void = { _ in }) async throws -> APIFixture {
        let clock = TestClock()
        let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
        let store = try await ComputeStore.open(database, now: clock.now)
        var options = KilonovaOptions()
        change(&options)
        let (images, networks, projects) = (FakeImages(), FakeNetworks(), FakeProjects())
        let bus = try await MessageBus(over: InProcessTransport(), defaultDeadline: .seconds(2))
        let services = ComputeServices(
            store: store, policy: try PolicyEnforcer(), images: images, networks: networks,
            projects: projects, bus: bus, options: ComputeAPIOptions(options),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let tokens = CachingTokenValidator(FakeTokens())
        let api = ComputeAPI(services: services, tokens: tokens, tokenOptions: options.tokens)
        return APIFixture(
            http: InMemoryHTTP(api), store: store, images: images, networks: networks, projects: projects,
            bus: bus)
    }

    /// A request at a microversion, as a member of the usual project unless said otherwise.
    func send(
        _ method: HTTPMethod, _ path: String, _ version: String = "2.1", as caller: Caller = .member,
        headers: HTTPHeaders = [:], json: JSONValue? = nil
    ) async -> InMemoryResponse {
        var headers = headers
        headers.add(name: "X-Auth-Token", value: caller.rawValue)
        headers.add(name: "OpenStack-API-Version", value: "compute \(version)")
        headers.add(name: "Accept", value: "application/json")
        if let json { return await http.send(method, "/v2.1\(path)", headers: headers, json: json) }
        return await http.send(method, "/v2.1\(path)", headers: headers)
    }

    /// The same with the answer's document.
    func document(
        _ method: HTTPMethod, _ path: String, _ version: String = "2.1", as caller: Caller = .member,
        json: JSONValue? = nil
    ) async throws -> JSONValue {
        try await send(method, path, version, as: caller, json: json).json()
    }
}

/// Who asks. The raw value is the token.
enum Caller: String, CaseIterable {
    case admin
    case member
    case reader
    /// A member of another project.
    case stranger
}

/// Knows the tokens of the usual callers.
private struct FakeTokens: TokenValidating {
    func validate(_ token: String) async throws(TokenRefusal) -> TokenFacts {
        guard let caller = Caller(rawValue: token) else { throw .invalid }
        let roles: [String] =
            switch caller {
            case .admin: ["admin", "manager", "member", "reader"]
            case .member, .stranger: ["member", "reader"]
            case .reader: ["reader"]
            }
        return TokenFacts(
            userID: "user-\(token)", userName: token,
            projectID: caller == .stranger ? APIFixture.otherProject : APIFixture.project, projectName: "demo",
            roles: roles, expiresAt: Timestamp(microseconds: .max))
    }
}

/// A clock that goes on by a second each time it is read, so that no two moments are equal.
final class TestClock: Sendable {
    private let seconds = Locked<Int64>(1_800_000_000)

    var now: @Sendable () -> Timestamp {
        { [seconds] in
            seconds.with { seconds in
                seconds += 1
                return Timestamp(microseconds: seconds * 1_000_000 + 123_456)
            }
        }
    }
}

extension InMemoryResponse {
    /// The sentence of a fault.
    var fault: String? {
        (try? json())?.object?.members.first?.value["message"]?.string
    }

    /// The name of a fault.
    var faultName: String? { (try? json())?.object?.keys.first }
}

extension JSONValue {
    /// The names of the members, sorted.
    var names: [String] { (object?.keys ?? []).sorted() }
}

import APIVersioning
import Testing

@Suite struct EndpointTableTests {
    static let first = Microversion(2, 1)

    static func endpoint(
        _ method: String, _ path: String, _ span: VersionSpan = .since(first), action: String? = nil, run: String
    ) -> Endpoint<String> {
        Endpoint(method, path, span, action: action, policy: "p", run: run)
    }

    static let endpoints = [
        endpoint("GET", "/servers", run: "list"),
        endpoint("POST", "/servers", run: "create"),
        endpoint("GET", "/old", VersionSpan.since(first).until(Microversion(2, 36)), run: "old"),
        endpoint("GET", "/old", .since(Microversion(2, 50)), run: "new"),
        endpoint("POST", "/servers/{id}/action", action: "os-start", run: "start"),
        endpoint("POST", "/servers/{id}/action", .since(Microversion(2, 14)), action: "evacuate", run: "evacuate"),
    ]

    static func answer(
        _ method: String, _ path: String, _ minor: Int, action: String? = nil
    ) throws -> String {
        let table = try EndpointTable(endpoints)
        switch table.lookup(method: method, path: path, action: action, version: Microversion(2, minor)) {
        case .found(let endpoint): return endpoint.run
        case .notFound: return "404"
        case .methodNotAllowed(let allowed): return "405 \(allowed.joined(separator: ","))"
        case .noSuchAction(let action): return "400 \(action)"
        }
    }

    @Test func aRequestFindsItsOperation() throws {
        #expect(try Self.answer("GET", "/servers", 1) == "list")
        #expect(try Self.answer("POST", "/servers", 1, action: "ignored") == "create")
        #expect(try Self.answer("GET", "/old", 35) == "old")
        #expect(try Self.answer("GET", "/old", 36) == "404")
        #expect(try Self.answer("GET", "/old", 50) == "new")
        #expect(try Self.answer("GET", "/none", 1) == "404")
        #expect(try Self.answer("DELETE", "/servers", 1) == "405 GET,POST")
    }

    @Test func anActionIsChosenByTheBodysMember() throws {
        let path = "/servers/{id}/action"
        #expect(try Self.answer("POST", path, 1, action: "os-start") == "start")
        #expect(try Self.answer("POST", path, 13, action: "evacuate") == "404")
        #expect(try Self.answer("POST", path, 14, action: "evacuate") == "evacuate")
        #expect(try Self.answer("POST", path, 14, action: "os-fly") == "400 os-fly")
        #expect(try Self.answer("POST", path, 14) == "400 ")
        #expect(try Self.answer("GET", path, 14) == "405 POST")
    }

    @Test func overlappingOperationsAreRefusedWithBothNamed() {
        let late = Self.endpoint("GET", "/old", .since(Microversion(2, 35)), run: "x")
        let conflict = #expect(throws: TableConflict.self) { try EndpointTable(Self.endpoints + [late]) }
        #expect(conflict?.description == "GET /old, 2.1 until 2.36, and GET /old, since 2.35, overlap")
        let twice = Self.endpoint("POST", "/servers/{id}/action", action: "os-start", run: "x")
        #expect(throws: TableConflict.self) { try EndpointTable(Self.endpoints + [twice]) }
        let bare = Self.endpoint("POST", "/servers/{id}/action", run: "x")
        #expect(throws: TableConflict.self) { try EndpointTable(Self.endpoints + [bare]) }
        let renamed = Self.endpoint("PUT", "/servers/{server_id}/action", run: "x")
        #expect(throws: TableConflict.self) { try EndpointTable(Self.endpoints + [renamed]) }
    }

    @Test func schemasAndStatusesFollowTheVersion() {
        let endpoint = Endpoint(
            "PUT", "/x", .since(Self.first), policy: nil, errors: [404],
            body: Versioned<JSONSchema?>(since: Self.first, nil).then(since: Microversion(2, 3), .anyObject),
            success: Versioned(since: Self.first, 200).then(since: Microversion(2, 101), 202), run: ())
        #expect(endpoint.bodySchema(at: Self.first) == nil)
        #expect(endpoint.bodySchema(at: Microversion(2, 3)) == .anyObject)
        #expect(endpoint.querySchema(at: Self.first) == nil)
        #expect(endpoint.successStatus(at: Microversion(2, 100)) == 200)
        #expect(endpoint.successStatus(at: Microversion(2, 101)) == 202)
    }

    @Test func theTableListsWhatExistsAtAVersion() throws {
        let table = try EndpointTable(Self.endpoints)
        #expect(table.endpoints(at: Microversion(2, 40)).map(\.run) == ["list", "create", "start", "evacuate"])
        #expect(table.routes.map(\.path) == ["/servers", "/old", "/servers/{id}/action"])
        #expect(table.routes[2].takesActions("POST") && !table.routes[0].takesActions("POST"))
    }
}

import HTTPService
import Testing

struct PathRouterTests {
    private func router() throws -> PathRouter<String> {
        var router = PathRouter<String>()
        try router.register(.GET, "/", "root")
        try router.register(.GET, "/servers", "list")
        try router.register(.POST, "/servers", "create")
        try router.register(.GET, "/servers/detail", "detail")
        try router.register(.GET, "/servers/{id}", "show")
        try router.register(.DELETE, "/servers/{id}", "delete")
        try router.register(.POST, "/servers/{server}/action", "action")
        try router.register(.GET, "/servers/detail/{x}/y", "deep literal")
        try router.register(.GET, "/servers/{id}/{what}/z", "deep parameter")
        return router
    }

    private func find(_ router: PathRouter<String>, _ method: HTTPMethod, _ path: String) -> String {
        switch router.match(method, path.split(separator: "/", omittingEmptySubsequences: true).map(String.init)) {
        case .found(let name, let parameters):
            name + (parameters["id"].map { " id=\($0)" } ?? "") + (parameters["server"].map { " server=\($0)" } ?? "")
        case .methodNotAllowed(let allowed): "405 " + allowed.map(\.rawValue).joined(separator: ",")
        case .notFound: "404"
        }
    }

    @Test(arguments: [
        (HTTPMethod.GET, "/", "root"), (.GET, "/servers", "list"), (.POST, "/servers", "create"),
        (.GET, "/servers/detail", "detail"), (.GET, "/servers/7", "show id=7"),
        (.DELETE, "/servers/detail", "delete id=detail"), (.POST, "/servers/7/action", "action server=7"),
        (.GET, "/servers/detail/a/z", "deep parameter id=detail"), (.GET, "/servers/detail/a/y", "deep literal"),
        (.HEAD, "/servers/7", "show id=7"), (.PUT, "/servers", "405 GET,POST"), (.PUT, "/servers/7", "405 GET,DELETE"),
        (.GET, "/none", "404"), (.GET, "/servers/7/none", "404"), (.GET, "/servers/7/action/x", "404"),
    ])
    func aRouteIsFoundByMethodAndPath(method: HTTPMethod, path: String, expected: String) throws {
        #expect(find(try router(), method, path) == expected)
    }

    @Test func aParameterNeverMatchesAnEmptySegment() throws {
        guard case .notFound = try router().match(.GET, ["servers", ""]) else {
            Issue.record("matched")
            return
        }
    }

    @Test func aConflictNamesBothPatterns() throws {
        var router = try router()
        #expect(throws: RouteError.conflict(method: "GET", pattern: "/servers/{name}", existing: "/servers/{id}")) {
            try router.register(.GET, "/servers/{name}", "other")
        }
        try router.register(anyMethod: "/any", "any")
        #expect(throws: RouteError.conflict(method: "any method", pattern: "/any", existing: "/any")) {
            try router.register(anyMethod: "/any", "again")
        }
    }

    @Test(arguments: ["servers", "/a/x{id}", "/{id}/{id}"])
    func aMalformedPatternIsRefused(pattern: String) {
        var router = PathRouter<String>()
        #expect(throws: RouteError.self) { try router.register(.GET, pattern, "x") }
    }

    @Test func anEndpointForAnyMethodTakesWhatNoOtherTakes() throws {
        var router = PathRouter<String>()
        try router.register(anyMethod: "/servers/{id}/action", "any")
        try router.register(.GET, "/servers/{id}/action", "get")
        #expect(find(router, .GET, "/servers/1/action") == "get id=1")
        #expect(find(router, .PATCH, "/servers/1/action") == "any id=1")
    }

    @Test func lookUpIgnoresTheMethod() throws {
        let entry = try #require(try router().lookup(["servers", "7"]))
        #expect(entry.endpoints.map(\.endpoint) == ["show", "delete"])
        #expect(entry.parameters["id"] == "7")
        let none = try router().lookup(["none"])
        #expect(none?.pattern == nil)
    }

    @Test func headIsAnErrorWhereGetDoesNotAnswerIt() throws {
        var router = PathRouter<String>(headIsGet: false)
        try router.register(.GET, "/a", "a")
        #expect(find(router, .HEAD, "/a") == "405 GET")
    }
}

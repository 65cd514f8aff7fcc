package import ComputeModel
package import Database
package import HTTPService
package import Identity
package import Logging
import WireJSON

/// A small network service of our own: Neutron's API version 2.0, as far as clients of a compute service need it.
/// It stores for real; a deployment replaces it by pointing its catalog elsewhere.
package struct NetworkAPI: HTTPResponder {
    let options: NetworkStandInOptions
    private let database: SQLDatabase
    private let tokens: any TokenValidating
    private let now: @Sendable () -> Timestamp
    /// Told of what others may have kept, after it is committed.
    private let changed: @Sendable (NetworkChange) -> Void
    private let logger: Logger
    private let router: PathRouter<Operation>

    typealias Operation = @Sendable (NetworkAPI, NetworkRequest) async throws -> HTTPResponse

    /// An API on an open database, whose schema it brings up to date.
    package static func make(
        _ options: NetworkStandInOptions, database: SQLDatabase, tokens: any TokenValidating,
        logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { .now() },
        changed: @escaping @Sendable (NetworkChange) -> Void = { _ in }
    ) async throws -> NetworkAPI {
        try await database.migrate(NetworkSchema.history.migrations, component: "network")
        var router = PathRouter<Operation>()
        for route in resourceRoutes + discoveryRoutes + quotaRoutes + topologyRoutes {
            try router.register(route.method, route.pattern, route.operation)
        }
        return NetworkAPI(
            options: options, database: database, tokens: tokens, now: now, changed: changed,
            logger: logger,
            router: router)
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        var response = await answer(request)
        response.headers.replaceOrAdd(name: "x-openstack-request-id", value: "\(request.id)")
        return response
    }

    private func answer(_ request: HTTPRequest) async -> HTTPResponse {
        do {
            switch router.match(request.method, request.pathSegments) {
            case .found(let operation, let parameters):
                return try await operation(self, NetworkRequest(http: request, parameters: parameters))
            case .methodNotAllowed(let allowed):
                let fault = NetworkFault(
                    405, "HTTPMethodNotAllowed", "The method is not allowed for this resource.")
                var response = HTTPResponse.json(fault.status, fault.body)
                response.headers.add(name: "Allow", value: allowed.map(\.rawValue).joined(separator: ", "))
                return response
            case .notFound:
                throw NetworkFault.noSuchPath
            }
        } catch let fault as NetworkFault {
            var response = HTTPResponse.json(fault.status, fault.body)
            if fault.status == 401 { response.headers.add(name: "WWW-Authenticate", value: "Keystone") }
            return response
        } catch let error as HTTPBodyError {
            return .json(error.status, NetworkFault(error.status, "HTTPBadRequest", "\(error)").body)
        } catch {
            logger.error(
                "network request failed", metadata: ["request.id": "\(request.id)", "error": "\(error)"])
            if let reason = (error as? DatabaseError)?.outage {
                let text = "The network service cannot serve the request now: \(reason)."
                return .json(503, NetworkFault(503, "HTTPServiceUnavailable", text).body)
            }
            let text = "Request Failed: internal server error while processing your request."
            return .json(500, NetworkFault(500, "HTTPInternalServerError", text).body)
        }
    }

    /// The caller, by the token of the request.
    func caller(_ request: NetworkRequest) async throws -> Caller {
        guard let token = request.http.headers.first(name: IdentityHeaders.token) else {
            throw NetworkFault.unauthorized
        }
        let facts: TokenFacts
        do {
            facts = try await tokens.validate(token)
        } catch .unavailable(let reason) {
            throw NetworkFault(
                503, "ServiceUnavailable", "The identity service does not answer: \(reason)")
        } catch {
            throw NetworkFault.unauthorized
        }
        let roles = Set(facts.roles.map { $0.lowercased() })
        return Caller(
            projectID: facts.projectID ?? "", isAdmin: roles.contains("admin"),
            isService: roles.contains("service"),
            canWrite: !roles.isDisjoint(with: ["admin", "service", "manager", "member"]))
    }

    /// Reads in one snapshot.
    func read<T: Sendable>(_ caller: Caller, _ body: @escaping @Sendable (NetworkWork) throws -> T)
        async throws -> T
    {
        let (options, now) = (options, now())
        return try await database.read {
            try body(NetworkWork($0, caller: caller, options: options, now: now))
        }
    }

    /// Writes in one transaction, and tells of it once it is on disk.
    func write<T: Sendable>(_ caller: Caller, _ body: @escaping @Sendable (NetworkWork) throws -> T)
        async throws -> T
    {
        guard caller.canWrite else { throw NetworkFault.forbidden("member") }
        let (options, now) = (options, now())
        let (value, notices) = try await database.transaction { connection in
            try connection.takeTurn("network")
            let work = NetworkWork(connection, caller: caller, options: options, now: now)
            return (try body(work), work.notices)
        }
        for notice in notices { changed(notice) }
        return value
    }
}

/// One line of the stand-in's table of operations.
struct NetworkRoute: Sendable {
    let method: HTTPMethod
    let pattern: String
    let operation: NetworkAPI.Operation

    init(_ method: HTTPMethod, _ pattern: String, _ operation: @escaping NetworkAPI.Operation) {
        (self.method, self.pattern, self.operation) = (method, pattern, operation)
    }
}

/// A request with what its path says.
struct NetworkRequest: Sendable {
    let http: HTTPRequest
    let parameters: RouteParameters

    /// A parameter of the path.
    func parameter(_ name: String) throws -> String {
        guard let value = parameters[name] else { throw NetworkFault.noSuchPath }
        return value
    }

    /// The body, which must be an object.
    func body() async throws -> JSONObject {
        // The largest bodies are creations of many ports at once.
        let bytes = try await http.body.collect(upTo: 1 << 20)
        do {
            guard let object = try JSONParser.parse(bytes).object else {
                throw NetworkFault.badRequest("The body is no object")
            }
            return object
        } catch let error as JSONParseError {
            throw NetworkFault(400, "MalformedRequestBody", "Malformed request body: \(error)")
        }
    }

    /// The object under a key of the body.
    func body(_ key: String) async throws -> JSONObject {
        guard let inner = try await body()[key]?.object else {
            throw NetworkFault.badRequest("Unable to find '\(key)' in request body")
        }
        return inner
    }
}

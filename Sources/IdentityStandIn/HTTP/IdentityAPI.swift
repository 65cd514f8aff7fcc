import Database
package import HTTPService
package import Logging
import WireJSON

/// How the stand-in works.
package struct IdentityStandInOptions: Sendable {
    /// How long tokens are good.
    package var tokenLifetime: Duration = .seconds(3600)
    package var region = "RegionOne"
    /// The deployment's address in catalogs; the one that a request came to when `nil`.
    package var publicURL: String?
    package var services: [CatalogService]

    package init(services: [CatalogService]) { self.services = services }
}

/// Something that voids tokens which others may have kept.
package enum IdentityChange: Sendable, Hashable {
    case user(String)
    case project(String)
    case token(String)
    case everything
}

/// A small identity service of our own: Keystone's API version 3, as far as clients of a compute service need it.
/// It stores for real; a deployment replaces it by pointing its catalog elsewhere.
package struct IdentityAPI: HTTPResponder {
    let store: IdentityStore
    let authority: TokenAuthority
    let options: IdentityStandInOptions
    /// Told of whatever makes kept tokens void.
    let changed: @Sendable (IdentityChange) -> Void
    private let router: PathRouter<Operation>
    private let logger: Logger

    typealias Operation = @Sendable (IdentityAPI, IdentityRequest) async throws -> HTTPResponse

    /// An API on an open store.
    package static func make(
        _ options: IdentityStandInOptions, store: IdentityStore, logger: Logger,
        changed: @escaping @Sendable (IdentityChange) -> Void
    ) async throws -> IdentityAPI {
        let key = try await store.secret("token-key") {
            var generator = SystemRandomNumberGenerator()
            return (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        }
        let authority = TokenAuthority(store: store, signer: TokenSigner(key: key), lifetime: options.tokenLifetime)
        var router = PathRouter<Operation>()
        for route in tokenRoutes + projectRoutes + userRoutes + roleRoutes + catalogRoutes {
            try router.register(route.method, route.pattern, route.operation)
        }
        return IdentityAPI(
            store: store, authority: authority, options: options, changed: changed, router: router, logger: logger)
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        var response = await answer(request)
        response.headers.replaceOrAdd(name: "x-openstack-request-id", value: "\(request.id)")
        response.headers.replaceOrAdd(name: "Vary", value: "X-Auth-Token")
        return response
    }

    private func answer(_ request: HTTPRequest) async -> HTTPResponse {
        do {
            switch router.match(request.method, request.pathSegments) {
            case .found(let operation, let parameters):
                return try await operation(self, IdentityRequest(http: request, parameters: parameters))
            case .methodNotAllowed(let allowed):
                var response = Self.fault(405, "The method is not allowed for the requested URL.")
                response.headers.add(name: "Allow", value: allowed.map(\.rawValue).joined(separator: ", "))
                return response
            case .notFound:
                return Self.fault(404, "The resource could not be found.")
            }
        } catch let fault as IdentityFault {
            var response = Self.fault(fault.status, fault.message)
            if fault.status == 401 {
                response.headers.add(
                    name: "WWW-Authenticate", value: "Keystone uri=\"\(request.absoluteURL("/v3"))\"")
            }
            return response
        } catch let error as HTTPBodyError {
            return Self.fault(error.status, "\(error)")
        } catch {
            logger.error(
                "identity request failed", metadata: ["request.id": "\(request.id)", "error": "\(error)"])
            if let reason = (error as? DatabaseError)?.outage {
                return Self.fault(503, "The identity service cannot serve the request now: \(reason).")
            }
            return Self.fault(500, "An unexpected error prevented the server from fulfilling your request.")
        }
    }

    private static func fault(_ status: Int, _ message: String) -> HTTPResponse {
        .json(
            status,
            [
                "error": [
                    "code": JSONValue(status), "message": .string(message),
                    "title": .string(HTTPResponseStatus(statusCode: status).reasonPhrase),
                ]
            ])
    }
}

/// One line of the stand-in's table of operations.
struct IdentityRoute: Sendable {
    let method: HTTPMethod
    let pattern: String
    let operation: IdentityAPI.Operation

    init(_ method: HTTPMethod, _ pattern: String, _ operation: @escaping IdentityAPI.Operation) {
        (self.method, self.pattern, self.operation) = (method, pattern, operation)
    }
}

/// A request with what its path says.
struct IdentityRequest: Sendable {
    let http: HTTPRequest
    let parameters: RouteParameters

    /// A parameter of the path.
    func parameter(_ name: String) throws -> String {
        guard let value = parameters[name] else { throw IdentityFault.notFound("The resource could not be found.") }
        return value
    }

    /// The object under a key of the body.
    func body(_ key: String) async throws -> JSONValue {
        let bytes = try await http.body.collect()
        let value: JSONValue
        do {
            value = try JSONParser.parse(bytes)
        } catch {
            throw IdentityFault.badRequest("Malformed JSON in request body: \(error)")
        }
        guard let inner = value[key], inner.object != nil else {
            throw IdentityFault.badRequest("'\(key)' is a required property")
        }
        return inner
    }
}

extension IdentityAPI {
    /// The caller, by the token of the request.
    func caller(_ request: IdentityRequest) async throws -> CheckedToken {
        guard let token = request.http.headers.first(name: "X-Auth-Token") else { throw TokenAuthority.refused }
        do {
            return try await authority.check(token)
        } catch IdentityFault.notFound {
            throw TokenAuthority.refused
        }
    }

    /// The caller, who must be an administrator; `operation` names the policy rule in the refusal.
    func administrator(_ request: IdentityRequest, _ operation: String) async throws -> CheckedToken {
        let caller = try await caller(request)
        guard caller.isAdmin else { throw Self.forbidden(operation) }
        return caller
    }

    static func forbidden(_ operation: String) -> IdentityFault {
        .forbidden("You are not authorized to perform the requested action: \(operation).")
    }

    func base(_ request: IdentityRequest) -> String { options.publicURL ?? request.http.baseURL }

    func link(_ request: IdentityRequest, _ path: String) -> JSONValue {
        ["self": .string(request.http.absoluteURL("/v3\(path)"))]
    }

    /// A list in Keystone's form.
    func list(_ request: IdentityRequest, _ key: String, _ items: [JSONValue]) -> HTTPResponse {
        let links: JSONValue = [
            "next": nil, "previous": nil, "self": .string(request.http.baseURL + request.http.fullPath),
        ]
        return .json(200, .object(JSONObject([(key, JSONValue.array(items)), ("links", links)])))
    }
}

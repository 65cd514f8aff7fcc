import APIVersioning
package import HTTPService
package import Identity
package import Logging
package import Placement

/// The placement API over HTTP.
///
/// In order: the caller, the microversion, the operation, media types, the policy, the operation itself. Every answer
/// carries the request's id; every answer after the microversion is known carries that.
package final class PlacementAPI: HTTPResponder {
    private let service: PlacementService
    private let authentication: PlacementAuthentication
    private let policy: PolicyEnforcer
    private let origins: Set<String>
    private let logger: Logger
    private let router: PathRouter<EndpointRoute<PlacementAction>>

    /// - Parameters:
    ///   - policy: made from ``PlacementPolicy/rules(newDefaultsOnly:)``.
    ///   - allowedOrigins: origins of web pages that may read answers (`[cors] allowed_origin`).
    package init(
        service: PlacementService, authentication: PlacementAuthentication, policy: PolicyEnforcer,
        allowedOrigins: Set<String> = [], logger: Logger
    ) {
        (self.service, self.authentication, self.policy) = (service, authentication, policy)
        (origins, self.logger) = (allowedOrigins, logger)
        router = PlacementEndpoints.router
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        var response: HTTPResponse
        if let preflight = preflight(request) {
            response = preflight
        } else {
            response = await answer(request)
        }
        response.headers.replaceOrAdd(name: "X-OpenStack-Request-Id", value: request.id.description)
        if let origin = request.headers.first(name: "Origin"), origins.contains(origin) {
            response.headers.replaceOrAdd(name: "Access-Control-Allow-Origin", value: origin)
            response.headers.add(name: "Vary", value: "Origin")
        }
        return response
    }

    /// The version document needs nothing but memory.
    package func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? {
        guard request.pathSegments.isEmpty, request.method == .GET, origins.isEmpty,
            let version = try? PlacementVersions.policy.negotiate(
                standard: request.headers[MicroversionPolicy.standardHeader])
        else { return nil }
        let call = PlacementCall(
            request: request, version: version, caller: nil, parameters: RouteParameters(), service: service,
            bodySchema: nil)
        var response = versioned(RootController.document(call), version)
        response.headers.add(name: "X-OpenStack-Request-Id", value: request.id.description)
        return response
    }

    /// The question of a web page's browser whether it may ask; only where origins are allowed at all.
    private func preflight(_ request: HTTPRequest) -> HTTPResponse? {
        guard !origins.isEmpty, request.method == .OPTIONS, let origin = request.headers.first(name: "Origin") else {
            return nil
        }
        var response = HTTPResponse.empty(200)
        guard origins.contains(origin) else { return response }
        if let headers = request.headers.first(name: "Access-Control-Request-Headers") {
            response.headers.add(name: "Access-Control-Allow-Headers", value: headers)
        }
        response.headers.add(name: "Access-Control-Allow-Methods", value: "GET, PUT, POST, DELETE")
        return response
    }

    private func answer(_ request: HTTPRequest) async -> HTTPResponse {
        var version: Microversion?
        do {
            let caller = request.pathSegments.isEmpty ? nil : try await authentication.caller(of: request)
            let negotiated: Microversion
            do throws(MicroversionRefusal) {
                negotiated = try PlacementVersions.policy.negotiate(
                    standard: request.headers[MicroversionPolicy.standardHeader])
            } catch {
                throw PlacementFault(status: error.status, detail: error.message)
            }
            version = negotiated
            let (endpoint, parameters) = try route(request, negotiated)
            try checkMedia(request, endpoint, negotiated)
            try checkPolicy(request, endpoint, caller)
            let call = PlacementCall(
                request: request, version: negotiated, caller: caller, parameters: parameters, service: service,
                bodySchema: endpoint.bodySchema(at: negotiated))
            if let schema = endpoint.querySchema(at: negotiated) { try call.checkQuery(schema) }
            return versioned(try await endpoint.run.run(call), negotiated)
        } catch {
            let fault = PlacementFault(error)
            if fault.status >= 500 {
                logger.error(
                    "placement request failed",
                    metadata: [
                        "request.id": "\(request.id)", "path": "\(request.path)", "error": "\(error)",
                    ])
            }
            let response = fault.response(to: request, version: version)
            return version.map { versioned(response, $0) } ?? response
        }
    }

    private func versioned(_ response: HTTPResponse, _ version: Microversion) -> HTTPResponse {
        var response = response
        for header in PlacementVersions.policy.responseHeaders(for: version) {
            // `Vary` names the header in lower case, as the reference does.
            let value = header.name == "Vary" ? header.value.lowercased() : header.value
            response.headers.add(name: header.name.lowercased(), value: value)
        }
        return response
    }

    private func route(
        _ request: HTTPRequest, _ version: Microversion
    ) throws(PlacementFault) -> (Endpoint<PlacementAction>, RouteParameters) {
        let length = request.headers.first(name: "Content-Length")
        if let length, Int(length) ?? 0 > 0, request.headers.first(name: "Content-Type") ?? "" == "" {
            throw .badRequest("content-type header required when content-length > 0")
        }
        guard case .found(let route, let parameters) = router.match(request.method, request.pathSegments) else {
            throw .notFound()
        }
        switch route.lookup(method: request.method.rawValue, version: version) {
        case .found(let endpoint): return (endpoint, parameters)
        case .methodNotAllowed(let allowed):
            throw PlacementFault(
                status: 405, detail: "The method specified is not allowed for this resource.", allowed: allowed)
        case .notFound where request.method == .DELETE && route.path.hasSuffix("/inventories"):
            // The one operation whose absence in old versions is told as a method that is not there.
            throw PlacementFault(status: 405, detail: "")
        case .notFound, .noSuchAction: throw .notFound()
        }
    }

    private func checkMedia(
        _ request: HTTPRequest, _ endpoint: Endpoint<PlacementAction>, _ version: Microversion
    ) throws(PlacementFault) {
        if endpoint.run.answersJSON, !AcceptHeader(request.headers).takesJSON {
            throw PlacementFault(status: 406, detail: "Only application/json is provided")
        }
        guard endpoint.bodySchema(at: version) != nil else { return }
        let type = (request.headers.first(name: "Content-Type") ?? "").prefix { $0 != ";" }
        let plain = String(type).trimmingSpaces
        guard plain.lowercased() != "application/json" else { return }
        throw PlacementFault(
            status: 415,
            detail: "The media type \(plain.isEmpty ? "None" : plain) is not supported, use application/json")
    }

    private func checkPolicy(
        _ request: HTTPRequest, _ endpoint: Endpoint<PlacementAction>, _ caller: RequestContext?
    ) throws(PlacementFault) {
        guard let rule = endpoint.policy else { return }
        let target = PolicyTarget(projectID: request.query.values("project_id").last)
        guard let caller, policy.allows(rule, caller, target) else {
            throw PlacementFault(status: 403, detail: "Policy does not allow \(rule) to be performed.")
        }
    }
}

/// What carries an operation out.
struct PlacementAction: Sendable {
    /// Whether the operation answers with a document, so that the client must take JSON.
    let answersJSON: Bool
    let run: @Sendable (PlacementCall) async throws -> HTTPResponse

    /// An operation that answers with a document.
    static func document(_ run: @escaping @Sendable (PlacementCall) async throws -> HTTPResponse) -> Self {
        Self(answersJSON: true, run: run)
    }

    /// An operation whose answer has no document that matters.
    static func effect(_ run: @escaping @Sendable (PlacementCall) async throws -> HTTPResponse) -> Self {
        Self(answersJSON: false, run: run)
    }
}

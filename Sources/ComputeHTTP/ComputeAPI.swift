// How to add an operation
//
// 1. Pick the resource's folder (`Flavors/`, `Servers/`, …). It holds `<Resource>Endpoints.swift` (the rows of the
//    table), `<Resource>Controller.swift` (decode, call, encode: at most ten lines per operation), and where there
//    is an answer to write, `<Resource>View.swift` (a `View` table: member, span of microversions, how it is written).
//
// 2. Write a row. Everything about the operation that a reader of the API's history wants stands there:
//
//        ComputeEndpoint(
//            "GET", "/os-keypairs/{name}", .since(v(1)), policy: KeypairPolicy.show.name, errors: [404],
//            query: showQuery.then(since: v(102), .query([:], additional: .forbidden)),
//            run: .asCaller(KeypairController.show))
//
//    `v(35)` is 2.35. Schemas are those of the microversion asked for: `body:` and `query:` are `Versioned`. A row
//    whose body schema is nil does not look at the body; an operation of another microversion is not found.
//    `.asCaller`: the rule is checked for the caller's own project before the operation runs. `.onSubject`: the
//    operation loads what it is about and asks `call.require(rule, target)` itself, because the owner decides.
//
// 3. Add the resource's rows to `ComputeEndpoints.all` (one line).
//
// 4. Write the operation: `static func show(_ call: ComputeCall) async throws -> HTTPResponse`.
//    It gets what was checked already: `call.body` (fits the schema), `call.query` (known parameters only),
//    `call.parameter("name")`, `call.version`, `call.context` (who asks), `call.services` (store, peers, options),
//    `call.links`. It answers with `call.answer(writer)` or `call.answer()`, which take the row's status of success.
//
// 5. Refuse by throwing `ComputeFault` (`.notFound("…")`), in the reference's words, because clients match on them.
//    The status must be among the row's `errors`. What is thrown besides: `StoreError` (404, 409, 403),
//    `PolicyRefusal` (403) and `PeerError` are translated; anything else is a 500 and is logged.
//
// 6. Test it in `Tests/ComputeHTTPTests/<Resource>Tests.swift` with `APIFixture`: in memory, on a database of its own.

import APIVersioning
package import HTTPService
package import Identity
import Logging
package import ServiceOptions
import WireJSON

/// The compute API over HTTP, to be mounted anywhere: `/`, `/v2`, `/v2.1`, and everything below with or without the
/// project in the path.
///
/// In order: version documents (at once, for everybody); the body's size; the caller; the operation; the
/// microversion; media type and body; the project in the path; schemas; the policy; the operation itself.
package final class ComputeAPI: HTTPResponder {
    private let services: ComputeServices
    private let authentication: ComputeAuthentication
    private let router: PathRouter<ComputeRoute>
    /// The most that a body may have, in bytes.
    private let bodyBytesMax: Int

    /// - Parameters:
    ///   - services: what operations use.
    ///   - tokens: knows the callers.
    ///   - tokenOptions: how service tokens count, and where callers get tokens.
    ///   - bodyBytesMax: larger bodies are refused (413).
    package init(
        services: ComputeServices, tokens: CachingTokenValidator, tokenOptions: TokenOptions,
        bodyBytesMax: Int = HTTPRequestBody.collectedBytesMax
    ) {
        self.services = services
        authentication = ComputeAuthentication(tokens: tokens, policy: services.policy, options: tokenOptions)
        router = ComputeEndpoints.router
        self.bodyBytesMax = bodyBytesMax
    }

    package func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? {
        guard var response = VersionDocuments(options: services.options.api).answer(request) else { return nil }
        Self.identify(&response, request)
        return response
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        if let response = respondAtOnce(to: request) { return response }
        var response = await answer(request)
        Self.identify(&response, request)
        return response
    }

    /// Every answer says under which id its request is known.
    private static func identify(_ response: inout HTTPResponse, _ request: HTTPRequest) {
        let id = request.id.description
        response.headers.add(name: "x-openstack-request-id", value: id)
        response.headers.add(name: "x-compute-request-id", value: id)
    }

    private func answer(_ request: HTTPRequest) async -> HTTPResponse {
        let path = ComputePath(request.pathSegments)
        if let length = request.body.declaredLength, length > bodyBytesMax { return ComputeFault.tooLarge.response() }
        let context: RequestContext
        do throws(AuthenticationRefusal) {
            context = try await authentication.context(of: request)
        } catch {
            return error.response
        }
        guard case .found(let route, let parameters) = router.match(request.method, path.segments) else {
            return ComputeFault.unrouted(request)
        }
        let version: Microversion
        do throws(MicroversionRefusal) {
            version = try path.isLegacy ? ComputeVersions.minimum : ComputeVersions.negotiate(request.headers)
        } catch {
            return ComputeFault(status: error.status, message: error.message).response()
        }
        let attempt = ComputeAttempt(
            services: services, request: request, path: path, route: route, parameters: parameters,
            context: context, version: version, bodyBytesMax: bodyBytesMax)
        var response = await attempt.response()
        if !path.isLegacy { ComputeVersions.mark(&response, version) }
        return response
    }
}

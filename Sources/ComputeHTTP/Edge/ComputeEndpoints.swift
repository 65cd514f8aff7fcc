import APIVersioning
import HTTPService
import Identity
import ServiceOptions

/// An operation of the compute API.
typealias ComputeEndpoint = Endpoint<ComputeAction>
/// All operations on one path.
typealias ComputeRoute = EndpointRoute<ComputeAction>

/// What carries an operation out, and who checks the row's policy rule.
struct ComputeAction: Sendable {
    /// Whose project the rule is asked about.
    enum Scope: Sendable {
        /// The caller's: asked before the operation runs.
        case caller
        /// That of what the operation is about: the operation asks.
        case subject
    }
    let scope: Scope
    let run: @Sendable (ComputeCall) async throws -> HTTPResponse

    /// An operation in the caller's own project, or beyond projects.
    static func asCaller(_ run: @escaping @Sendable (ComputeCall) async throws -> HTTPResponse) -> Self {
        Self(scope: .caller, run: run)
    }

    /// An operation on something that belongs to a project, which the operation loads.
    static func onSubject(_ run: @escaping @Sendable (ComputeCall) async throws -> HTTPResponse) -> Self {
        Self(scope: .subject, run: run)
    }
}

/// The operations of the compute API, by resource.
enum ComputeEndpoints {
    /// Every operation. A new resource adds its rows here.
    static let all: [ComputeEndpoint] =
        versions
        + ServerEndpoints.all
        + FlavorEndpoints.all
        + KeypairEndpoints.all
        + QuotaEndpoints.all
        + LimitsEndpoints.all
        + HypervisorEndpoints.all
        + ServiceEndpoints.all
        + ZoneEndpoints.all
        + AggregateEndpoints.all
        + ExtensionEndpoints.all

    /// The operations by path.
    static let router: PathRouter<ComputeRoute> = {
        do {
            var router = PathRouter<ComputeRoute>(headIsGet: false)
            for route in try EndpointTable(all).routes {
                for method in route.methods { try router.register(HTTPMethod(rawValue: method), route.path, route) }
            }
            return router
        } catch {
            preconditionFailure("the table of the compute API's operations is wrong: \(error)")
        }
    }()

    /// The version document once more, for callers who are known.
    private static let versions: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/versions/{id}", always, policy: nil, errors: [404],
            run: .asCaller { call in
                let prefix = Links.prefix(call.request, call.services.options.api.computeLinkPrefix)
                guard let document = VersionDocuments.document(id: call.parameter("id"), prefix: prefix) else {
                    throw ComputeFault.notFound()
                }
                return .json(200, document)
            })
    ]

    /// A query that is not looked at before 2.102, and must be empty from there on.
    static let noQuery = Versioned<JSONSchema?>(since: ComputeVersions.minimum, nil)
        .then(since: v(102), .query([:], additional: .forbidden))
}

import APIVersioning
import HTTPService
import Identity
import WireJSON

/// The operations on extensions, which are long parts of the API: only their names are left.
enum ExtensionEndpoints {
    static let all: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/extensions", always, policy: CloudPolicy.extensions.name, query: ComputeEndpoints.noQuery,
            run: .asCaller { call in
                call.answer { w in
                    w.array("extensions") { w in for known in extensions(call) { known.write(to: &w) } }
                }
            }),
        ComputeEndpoint(
            "GET", "/extensions/{alias}", always, policy: CloudPolicy.extensions.name, errors: [404],
            query: ComputeEndpoints.noQuery,
            run: .asCaller { call in
                guard let found = extensions(call).first(where: { $0.alias == call.parameter("alias") }) else {
                    throw ComputeFault.notFound()
                }
                return call.answer { w in
                    w.key("extension")
                    found.write(to: &w)
                }
            }),
    ]

    /// Below `/v2` there is one more.
    private static func extensions(_ call: ComputeCall) -> [Extension] {
        call.request.pathSegments.first == "v2" ? Extension.legacy : Extension.all
    }
}

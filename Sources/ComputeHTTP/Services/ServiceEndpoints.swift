import APIVersioning
import Identity
import WireJSON

/// The operations on services.
enum ServiceEndpoints {
    static let all: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/os-services", always, policy: CloudPolicy.serviceList.name, query: listQuery,
            run: .asCaller(ServiceController.list)),
        ComputeEndpoint(
            "PUT", "/os-services/{service_id}", always.until(v(53)), policy: CloudPolicy.serviceUpdate.name,
            errors: [400, 404], body: actionBody, run: .asCaller(ServiceActionController.run)),
        ComputeEndpoint(
            "PUT", "/os-services/{service_id}", .since(v(53)), policy: CloudPolicy.serviceUpdate.name,
            errors: [400, 404], body: updateBody, run: .asCaller(ServiceController.update)),
        ComputeEndpoint(
            "DELETE", "/os-services/{service_id}", always, policy: CloudPolicy.serviceDelete.name,
            errors: [400, 404, 409], success: Versioned(since: v(1), 204), run: .asCaller(ServiceController.delete)),
    ]

    private static func list(_ additional: AdditionalProperties) -> JSONSchema {
        .query(["host": .queryText, "binary": .queryText], additional: additional)
    }

    private static let listQuery = Versioned<JSONSchema?>(since: v(1), list(.allowed))
        .then(since: v(75), list(.forbidden))

    private static let text = JSONSchema.string(length: 1...255)

    private static let action = JSONSchema.object(
        ["host": .fullHostname, "binary": text, "disabled_reason": text], required: ["host", "binary"])

    private static let actionBody = Versioned<JSONSchema?>(since: v(1), action)
        .then(since: v(11), action.with(["forced_down": .boolean]))

    private static let updateBody = Versioned<JSONSchema?>(
        since: v(53),
        .object(["status": .choice(["enabled", "disabled"]), "disabled_reason": text, "forced_down": .boolean]))
}

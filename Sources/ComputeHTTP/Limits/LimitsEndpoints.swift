import APIVersioning
import Identity
import WireJSON

/// The operation that shows limits with what is in use.
enum LimitsEndpoints {
    static let all: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/limits", always, policy: QuotaPolicy.limits.name, query: query,
            run: .asCaller(LimitsController.show))
    ]

    private static let query = Versioned<JSONSchema?>(
        since: v(1), .query(["tenant_id": .queryText], additional: .allowed)
    ).then(since: v(75), .query(["tenant_id": .queryText], additional: .forbidden))
}

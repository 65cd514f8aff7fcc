import APIVersioning
import Identity
import WireJSON

/// The list of host aggregates. There are none, and no operation makes one; clients ask for the list while they show
/// a hypervisor.
enum AggregateEndpoints {
    static let all: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/os-aggregates", always, policy: CloudPolicy.aggregateList.name,
            query: ComputeEndpoints.noQuery,
            run: .asCaller { call in call.answer { w in w.array("aggregates") { _ in } } })
    ]
}

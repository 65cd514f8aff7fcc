import APIVersioning
import Identity
import WireJSON

/// The operations on hypervisors.
enum HypervisorEndpoints {
    static let all: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/os-hypervisors", always, policy: CloudPolicy.hypervisorList.name, errors: [400, 404],
            query: listQuery, run: .asCaller(HypervisorController.list)),
        ComputeEndpoint(
            "GET", "/os-hypervisors/detail", always, policy: CloudPolicy.hypervisorDetail.name, errors: [400, 404],
            query: listQuery, run: .asCaller(HypervisorController.detail)),
        ComputeEndpoint(
            "GET", "/os-hypervisors/statistics", always.until(v(88)), policy: CloudPolicy.hypervisorStatistics.name,
            run: .asCaller(HypervisorController.statistics)),
        ComputeEndpoint(
            "GET", "/os-hypervisors/{hypervisor_id}", always, policy: CloudPolicy.hypervisorShow.name,
            errors: [400, 404], query: showQuery, run: .asCaller(HypervisorController.show)),
        ComputeEndpoint(
            "GET", "/os-hypervisors/{hypervisor_id}/uptime", always.until(v(88)),
            policy: CloudPolicy.hypervisorUptime.name, errors: [400, 404, 501],
            run: .asCaller(HypervisorController.uptime)),
        ComputeEndpoint(
            "GET", "/os-hypervisors/{hypervisor_id}/search", always.until(v(53)),
            policy: CloudPolicy.hypervisorSearch.name, errors: [404], run: .asCaller(HypervisorController.search)),
        ComputeEndpoint(
            "GET", "/os-hypervisors/{hypervisor_id}/servers", always.until(v(53)),
            policy: CloudPolicy.hypervisorServers.name, errors: [404], run: .asCaller(HypervisorController.servers)),
    ]

    private static let listQuery = Versioned<JSONSchema?>(since: v(1), .query([:], additional: .allowed))
        .then(
            since: v(33),
            .query(["limit": .multiple(.nonNegativeInteger), "marker": .queryText], additional: .allowed)
        )
        .then(
            since: v(53),
            .query(
                [
                    "limit": .single(.nonNegativeInteger), "marker": .single(.anyString),
                    "hypervisor_hostname_pattern": .single(.fullHostname), "with_servers": .single(.boolean),
                ], additional: .forbidden))

    private static let showQuery = Versioned<JSONSchema?>(since: v(1), .query([:], additional: .allowed))
        .then(since: v(53), .query(["with_servers": .single(.boolean)], additional: .forbidden))
}

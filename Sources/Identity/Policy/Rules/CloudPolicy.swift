/// What may be done with the cloud's own parts: hypervisors, services, zones.
package enum CloudPolicy {
    package static let hypervisorList = PolicyRule(
        "os_compute_api:os-hypervisors:list", PolicyDefault.admin,
        "List hypervisors by name.",
        [.get("/os-hypervisors")])
    package static let hypervisorDetail = PolicyRule(
        "os_compute_api:os-hypervisors:list-detail", PolicyDefault.admin,
        "List hypervisors with all fields.",
        [.get("/os-hypervisors/detail")])
    package static let hypervisorStatistics = PolicyRule(
        "os_compute_api:os-hypervisors:statistics", PolicyDefault.admin,
        "Sum up all hypervisors, to microversion 2.87.",
        [.get("/os-hypervisors/statistics")])
    package static let hypervisorShow = PolicyRule(
        "os_compute_api:os-hypervisors:show", PolicyDefault.admin,
        "Show one hypervisor.",
        [.get("/os-hypervisors/{hypervisor_id}")])
    package static let hypervisorUptime = PolicyRule(
        "os_compute_api:os-hypervisors:uptime", PolicyDefault.admin,
        "Show how long a hypervisor has been up, to microversion 2.87.",
        [.get("/os-hypervisors/{hypervisor_id}/uptime")])
    package static let hypervisorSearch = PolicyRule(
        "os_compute_api:os-hypervisors:search", PolicyDefault.admin,
        "Find hypervisors by a part of their name, to microversion 2.52.",
        [.get("/os-hypervisors/{hypervisor_hostname_pattern}/search")])
    package static let hypervisorServers = PolicyRule(
        "os_compute_api:os-hypervisors:servers", PolicyDefault.admin,
        "List the servers of hypervisors found by a part of their name, to microversion 2.52.",
        [.get("/os-hypervisors/{hypervisor_hostname_pattern}/servers")])
    package static let serviceList = PolicyRule(
        "os_compute_api:os-services:list", PolicyDefault.admin,
        "List the services and whether they are up.",
        [.get("/os-services")])
    package static let serviceUpdate = PolicyRule(
        "os_compute_api:os-services:update", PolicyDefault.admin,
        "Enable, disable or force down a compute service.",
        [.put("/os-services/{service_id}")])
    package static let serviceDelete = PolicyRule(
        "os_compute_api:os-services:delete", PolicyDefault.admin,
        "Delete a compute service that is gone for good.",
        [.delete("/os-services/{service_id}")])
    package static let zoneList = PolicyRule(
        "os_compute_api:os-availability-zone:list", PolicyDefault.anybody,
        "List availability zones.",
        [.get("/os-availability-zone")])
    package static let zoneDetail = PolicyRule(
        "os_compute_api:os-availability-zone:detail", PolicyDefault.admin,
        "List availability zones with their hosts and services.",
        [.get("/os-availability-zone/detail")])
    package static let aggregateList = PolicyRule(
        "os_compute_api:os-aggregates:index", PolicyDefault.admin,
        "List host aggregates.",
        [.get("/os-aggregates")])
    package static let extensions = PolicyRule(
        "os_compute_api:extensions", PolicyDefault.anybody,
        "List the API's old extensions.",
        [.get("/extensions"), .get("/extensions/{alias}")])

    package static let all = [
        hypervisorList, hypervisorDetail, hypervisorStatistics, hypervisorShow, hypervisorUptime, hypervisorSearch,
        hypervisorServers, serviceList, serviceUpdate, serviceDelete, zoneList, zoneDetail, aggregateList,
        extensions,
    ]
}

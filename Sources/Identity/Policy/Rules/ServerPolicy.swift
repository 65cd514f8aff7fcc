/// What may be done with servers.
package enum ServerPolicy {
    package static let index = PolicyRule(
        "os_compute_api:servers:index", PolicyDefault.reader,
        "List a project's servers by name.",
        [.get("/servers")])
    package static let detail = PolicyRule(
        "os_compute_api:servers:detail", PolicyDefault.reader,
        "List a project's servers with all fields.",
        [.get("/servers/detail")])
    package static let indexAllProjects = PolicyRule(
        "os_compute_api:servers:index:get_all_tenants", PolicyDefault.admin,
        "List every project's servers by name.",
        [.get("/servers")])
    package static let detailAllProjects = PolicyRule(
        "os_compute_api:servers:detail:get_all_tenants", PolicyDefault.admin,
        "List every project's servers with all fields.",
        [.get("/servers/detail")])
    package static let allFilters = PolicyRule(
        "os_compute_api:servers:allow_all_filters", PolicyDefault.admin,
        "Filter lists of servers by fields that only operators should know of.",
        [.get("/servers"), .get("/servers/detail")])
    package static let show = PolicyRule(
        "os_compute_api:servers:show", PolicyDefault.reader,
        "Show one server.",
        [.get("/servers/{server_id}")])
    package static let showFlavorExtraSpecs = PolicyRule(
        "os_compute_api:servers:show:flavor-extra-specs", PolicyDefault.reader,
        "See the extra specs in the flavor that answers about a server contain, from microversion 2.47.",
        [.get("/servers/{server_id}"), .get("/servers/detail"), .put("/servers/{server_id}")])
    package static let showHostStatus = PolicyRule(
        "os_compute_api:servers:show:host_status", PolicyDefault.admin,
        "See whether a server's host is up, whatever its state.",
        [.get("/servers/{server_id}"), .get("/servers/detail"), .put("/servers/{server_id}")])
    package static let showUnknownHostStatus = PolicyRule(
        "os_compute_api:servers:show:host_status:unknown-only", PolicyDefault.admin,
        "See that nothing is known of a server's host, and no other state of it.",
        [.get("/servers/{server_id}"), .get("/servers/detail"), .put("/servers/{server_id}")])
    package static let create = PolicyRule(
        "os_compute_api:servers:create", PolicyDefault.member,
        "Create servers.",
        [.post("/servers")])
    package static let createOnForcedHost = PolicyRule(
        "os_compute_api:servers:create:forced_host", PolicyDefault.admin,
        "Name host and node in the availability zone; the scheduler does not check them.",
        [.post("/servers")])
    package static let createOnRequestedDestination = PolicyRule(
        "compute:servers:create:requested_destination", PolicyDefault.admin,
        "Name the host or the hypervisor; the scheduler checks it.",
        [.post("/servers")])
    package static let createWithNetwork = PolicyRule(
        "os_compute_api:servers:create:attach_network", PolicyDefault.member,
        "Name networks or ports when creating servers.",
        [.post("/servers")])
    package static let createWithZeroDisk = PolicyRule(
        "os_compute_api:servers:create:zero_disk_flavor", PolicyDefault.admin,
        "Boot from an image with a flavor without disk, whose size nothing then limits.",
        [.post("/servers")])
    package static let attachExternalNetwork = PolicyRule(
        "network:attach_external_network", PolicyDefault.admin,
        "Put a server on an external network that is not shared.",
        [.post("/servers")])
    package static let delete = PolicyRule(
        "os_compute_api:servers:delete", PolicyDefault.member,
        "Delete a server.",
        [.delete("/servers/{server_id}")])
    package static let update = PolicyRule(
        "os_compute_api:servers:update", PolicyDefault.member,
        "Change a server's name, description or addresses.",
        [.put("/servers/{server_id}")])
    package static let reboot = PolicyRule(
        "os_compute_api:servers:reboot", PolicyDefault.member,
        "Reboot a server.",
        [.action("reboot")])
    package static let start = PolicyRule(
        "os_compute_api:servers:start", PolicyDefault.member,
        "Start a server.",
        [.action("os-start")])
    package static let stop = PolicyRule(
        "os_compute_api:servers:stop", PolicyDefault.member,
        "Stop a server.",
        [.action("os-stop")])
    package static let lock = PolicyRule(
        "os_compute_api:os-lock-server:lock", PolicyDefault.member,
        "Lock a server against changes.",
        [.action("lock")])
    package static let unlock = PolicyRule(
        "os_compute_api:os-lock-server:unlock", PolicyDefault.member,
        "Unlock a server that one locked oneself.",
        [.action("unlock")])
    package static let unlockOverride = PolicyRule(
        "os_compute_api:os-lock-server:unlock:unlock_override", PolicyDefault.admin,
        "Unlock a server that somebody else locked.",
        [.action("unlock")])
    package static let consoleOutput = PolicyRule(
        "os_compute_api:os-console-output", PolicyDefault.member,
        "Read what the guest wrote to its console.",
        [.action("os-getConsoleOutput")])
    package static let resetState = PolicyRule(
        "os_compute_api:os-admin-actions:reset_state", PolicyDefault.admin,
        "Set a server's state to active or error by hand.",
        [.action("os-resetState")])

    package static let all = [
        index, detail, indexAllProjects, detailAllProjects, allFilters, show, showFlavorExtraSpecs, showHostStatus,
        showUnknownHostStatus, create, createOnForcedHost, createOnRequestedDestination, createWithNetwork,
        createWithZeroDisk, attachExternalNetwork, delete, update, reboot, start, stop, lock, unlock, unlockOverride,
        consoleOutput, resetState,
    ]
}

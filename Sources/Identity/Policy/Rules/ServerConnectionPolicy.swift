/// What may be seen of a server's place in networks.
package enum ServerConnectionPolicy {
    package static let addressList = PolicyRule(
        "os_compute_api:ips:index", PolicyDefault.reader,
        "List a server's addresses.",
        [.get("/servers/{server_id}/ips")])
    package static let addressShow = PolicyRule(
        "os_compute_api:ips:show", PolicyDefault.reader,
        "List a server's addresses on one network.",
        [.get("/servers/{server_id}/ips/{network_label}")])
    package static let interfaceList = PolicyRule(
        "os_compute_api:os-attach-interfaces:list", PolicyDefault.reader,
        "List a server's interfaces.",
        [.get("/servers/{server_id}/os-interface")])
    package static let interfaceShow = PolicyRule(
        "os_compute_api:os-attach-interfaces:show", PolicyDefault.reader,
        "Show one of a server's interfaces.",
        [.get("/servers/{server_id}/os-interface/{port_id}")])
    package static let securityGroupList = PolicyRule(
        "os_compute_api:os-security-groups:list", PolicyDefault.reader,
        "List a server's security groups.",
        [.get("/servers/{server_id}/os-security-groups")])

    package static let all = [addressList, addressShow, interfaceList, interfaceShow, securityGroupList]
}

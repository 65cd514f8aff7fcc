/// The rules in a router's namespace: translation of addresses on the way to and from the external network.
enum RouterRules {
    /// The router's table.
    static func table(name: String, for router: PlannedRouter) -> NftTable {
        var table = NftTable(family: "ip", name: name)
        let floating = router.floatingAddresses
        let gateway = HostNames.routerGateway
        table.map("inside", from: "ipv4_addr", to: "ipv4_addr", floating.map { "\($0.external) : \($0.fixed)" })
        table.map("outside", from: "ipv4_addr", to: "ipv4_addr", floating.map { "\($0.fixed) : \($0.external)" })
        table.chain("arriving", hook: "nat hook prerouting priority dstnat", ["dnat to ip daddr map @inside"])
        var leaving = ["oifname \"\(gateway)\" snat to ip saddr map @outside"]
        if let leg = router.gateway, case .v4(let address) = leg.address.address {
            if leg.translatesSources {
                leaving.append("oifname \"\(gateway)\" iifname != \"\(gateway)\" snat to \(address)")
            }
            // One guest reaches another by its floating address: without this the answer would take the short way
            // and arrive from an address that was never asked.
            leaving.append("iifname != \"\(gateway)\" oifname != \"\(gateway)\" ct status dnat snat to \(address)")
        }
        table.chain("leaving", hook: "nat hook postrouting priority srcnat", leaving)
        return table
    }
}

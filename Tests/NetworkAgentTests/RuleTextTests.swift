import ComputeModel
import Testing

@testable import NetworkAgent

/// The texts that go to nft and dnsmasq, without either.
@Suite struct RuleTextTests {
    private static let cases: [(PlannedRule, String?)] = [
        (PlannedRule(.ingress), "meta nfproto ipv4 accept"),
        (PlannedRule(.ingress, .v6), "meta nfproto ipv6 accept"),
        (PlannedRule(.ingress, .v4, .transport(.tcp, ports: 22...22)), "meta nfproto ipv4 tcp dport 22 accept"),
        (PlannedRule(.ingress, .v4, .transport(.udp, ports: 1...65535)), "meta nfproto ipv4 udp dport 1-65535 accept"),
        (PlannedRule(.ingress, .v4, .transport(.sctp, ports: nil)), "meta nfproto ipv4 meta l4proto sctp accept"),
        (PlannedRule(.ingress, .v4, .icmp(type: nil, code: nil)), "meta nfproto ipv4 meta l4proto icmp accept"),
        (PlannedRule(.ingress, .v4, .icmp(type: 3, code: 4)), "meta nfproto ipv4 icmp type 3 icmp code 4 accept"),
        (PlannedRule(.ingress, .v6, .icmp(type: 128, code: nil)), "meta nfproto ipv6 icmpv6 type 128 accept"),
        (PlannedRule(.ingress, .v6, .icmp(type: nil, code: nil)), "meta nfproto ipv6 meta l4proto ipv6-icmp accept"),
        (PlannedRule(.ingress, .v4, .protocolNumber(112)), "meta nfproto ipv4 meta l4proto 112 accept"),
        (
            PlannedRule(.ingress, .v4, .any, remote: .block(AddressPrefix("192.0.2.77/24")!)),
            "ip saddr 192.0.2.0/24 accept"
        ),
        (PlannedRule(.ingress, .v4, .any, remote: .block(AddressPrefix("0.0.0.0/0")!)), "ip saddr 0.0.0.0/0 accept"),
        (
            PlannedRule(.ingress, .v6, .any, remote: .block(AddressPrefix("2001:db8::1/128")!)),
            "ip6 saddr 2001:db8::1 accept"
        ),
        (PlannedRule(.ingress, .v4, .any, remote: .block(AddressPrefix("2001:db8::/64")!)), nil),
        (PlannedRule(.ingress, .v4, .any, remote: .members([])), nil),
        (PlannedRule(.egress, .v4, .any), nil),
    ]

    @Test(arguments: 0..<cases.count)
    func aRuleBecomesOneLine(_ index: Int) {
        let (rule, line) = Self.cases[index]
        var remotes = RemoteSets()
        let none = PortFilter(rules: []).ingress(&remotes).count
        let lines = PortFilter(rules: [rule]).ingress(&remotes)
        #expect(lines.last == "drop")
        #expect(lines.count == none + (line == nil ? 0 : 1))
        if let line { #expect(lines[lines.count - 2] == line) }
    }

    @Test func egressLooksAtTheDestinationAndGoesOnToTheOtherSide() {
        var remotes = RemoteSets()
        let rule = PlannedRule(.egress, .v4, Sample.tcp(443), remote: .block(AddressPrefix("192.0.2.0/24")!))
        let lines = PortFilter(rules: [rule]).egress(&remotes, allowed: "goto arriving")
        #expect(lines.suffix(2) == ["ip daddr 192.0.2.0/24 tcp dport 443 goto arriving", "drop"])
    }

    @Test func equalGroupsShareOneSet() {
        var remotes = RemoteSets()
        let members: Set = [
            AddressPrefix("10.0.0.7/32")!, AddressPrefix("10.0.0.5/32")!, AddressPrefix("fd00::5/128")!,
        ]
        let first = remotes.name(for: members, .v4)
        #expect(first == remotes.name(for: members.union([AddressPrefix("fd00::6/128")!]), .v4))
        #expect(first != remotes.name(for: members, .v6))
        #expect(remotes.collections.map(\.elements) == [["10.0.0.5", "10.0.0.7"], ["fd00::5"]])
    }

    @Test func aGuestsAddressesAreTiedToItsHardwareAddress() throws {
        let pair = PlannedAddressPair(mac: MACAddress("02:00:00:00:00:09"), block: AddressPrefix("10.0.0.64/28")!)
        let port = Sample.port(5, "10.0.0.5", .addressesOnly(pairs: [pair]))
        let guardian = AddressGuard(port: port)
        #expect(
            guardian.arpRules.first
                == "ether saddr . arp saddr ip != { fa:16:3e:aa:00:05 . 10.0.0.5, 02:00:00:00:00:09 . 10.0.0.64/28, "
                + "02:00:00:00:00:09 . 0.0.0.0, fa:16:3e:aa:00:05 . 0.0.0.0 } drop")
        let rules = guardian.rules(arpChain: "arp", mark: "0x00050000")
        #expect(rules.first == "ether saddr != { 02:00:00:00:00:09, fa:16:3e:aa:00:05 } drop")
        #expect(rules.contains("ether type ip udp sport 67 udp dport 68 drop"))
        #expect(rules.contains { $0.contains("@th,64,128 0xfe80000000000000f8163efffeaa0005") })
        #expect(rules.last == "drop")
    }

    @Test func numbersStayAndComeBack() {
        var book = NumberBook()
        book.assign((0..<500).map { "port \($0)" })
        #expect(Set(book.numbers.values).count == 500)
        #expect(book.numbers.values.allSatisfy { (2...65535).contains($0) })
        var read = NumberBook(text: book.text + "rubbish\n1 port x\n99999 port y\n")
        read.assign((100..<600).map { "port \($0)" })
        #expect((100..<500).allSatisfy { book.numbers["port \($0)"] == read.numbers["port \($0)"] })
        #expect(read.numbers["port 5"] == nil)
        var lost = NumberBook()
        lost.assign((0..<500).map { "port \($0)" })
        #expect(lost == book)
    }

    @Test func theListingOfRulesIsRecognizedWhateverTheHandles() {
        let first = Array(#"{"chain": {"name": "x", "handle": 17, "policy": "accept"}}"#.utf8)
        let second = Array(#"{"chain": {"name": "x", "handle": 4, "policy": "accept"}}"#.utf8)
        let third = Array(#"{"chain": {"name": "x", "handle": 4, "policy": "drop"}}"#.utf8)
        #expect(RuleListing.fingerprint(first) == RuleListing.fingerprint(second))
        #expect(RuleListing.fingerprint(first) != RuleListing.fingerprint(third))
    }
}

/// What a plan becomes.
@Suite struct LayoutTests {
    private func layout(_ plan: NetworkPlan) -> HostLayout {
        var numbers = NumberBook()
        return HostLayoutBuilder.layout(
            of: plan, options: HostNetworkOptions(runtimeDirectory: "/run/x"), numbers: &numbers)
    }

    @Test func theFilesOfDNSMasqSayWhatThePlanSays() throws {
        let ports = [
            Sample.port(1, "10.0.0.5", hostName: "demo"), Sample.port(2, "10.0.0.6", hostName: "not a name,10.0.0.1"),
            Sample.port(3, "192.0.2.1"),
        ]
        let service = try #require(layout(NetworkPlan(networks: [Sample.network(1, ports: ports)])).leases.first)
        #expect(service.hosts == "fa:16:3e:aa:00:01,10.0.0.5,demo\nfa:16:3e:aa:00:02,10.0.0.6,host-10-0-0-6\n")
        let tag = "tag:subnet-02000001-00"
        let routes = "169.254.169.254/32,10.0.0.2,0.0.0.0/0,10.0.0.1"
        #expect(
            service.options == """
                \(tag),option:mtu,1450
                \(tag),option:classless-static-route,\(routes)
                \(tag),249,\(routes)
                \(tag),option:router,10.0.0.1
                \(tag),option:dns-server,192.0.2.53

                """)
        #expect(
            service.configuration.contains("\ndhcp-range=set:subnet-02000001-00,10.0.0.0,static,255.255.255.0,86400s\n")
        )
        #expect(service.configurationPath.hasPrefix("/run/x/kn-net-01000001-00/dnsmasq-"))
    }

    @Test func anOldLeaseGoesOnlyIfItsAddressIsSomeoneElsesNow() throws {
        let plan = NetworkPlan(networks: [Sample.network(1, ports: [Sample.port(1, "10.0.0.5")])])
        let service = try #require(layout(plan).leases.first)
        let mine = "1790000000 fa:16:3e:aa:00:01 10.0.0.5 demo *\n"
        let gone = "1790000000 fa:16:3e:aa:00:09 10.0.0.9 old *\n"
        let other = "1790000000 fa:16:3e:aa:00:09 10.0.0.5 old *\n"
        #expect(service.leasesWithoutConflicts(mine + gone) == nil)
        #expect(service.leasesWithoutConflicts(gone + other) == gone)
    }

    @Test func whatCannotBeDoneIsLeftOutAndSaid() {
        var twin = Sample.network(1)
        twin.id = NetworkID(UUIDValue(high: 0x0100_0001_0000_4001, low: 0x8000_0000_0000_0001))
        var strange = Sample.port(2, "10.0.0.6")
        strange.tapName = "tap/../x"
        let plan = NetworkPlan(
            networks: [Sample.network(1, ports: [Sample.port(1, "10.0.0.5"), strange]), twin],
            routers: [Sample.router(1, legs: [(Sample.network(3), "10.0.0.1/24")])],
            externalNetworks: [])
        let layout = layout(plan)
        #expect(layout.bridges.count == 1)
        #expect(layout.notices.count == 4, "\(layout.notices)")
        #expect(layout.namespaces.map(\.name) == ["kn-net-01000001-00", "kn-rtr-05000001-00"])
    }

    @Test func namesFitTheKernel() {
        let network: NetworkID = Sample.identifier(1, 1)
        let router: RouterID = Sample.identifier(5, 1)
        let names = [
            HostNames.bridge(network), HostNames.externalBridge(network), HostNames.serviceCable(network),
            HostNames.gatewayCable(router), HostNames.routerCable(router, network), HostNames.routerLeg(network),
            HostNames.tap(Sample.identifier(3, 1)),
        ]
        #expect(names.allSatisfy { $0.utf8.count <= 15 })
        #expect(Set(names).count == names.count)
    }

    @Test func everyErrorIsASentenceWithItsRemedy() {
        let errors: [(HostNetworkError, String)] = [
            (
                .notPrivileged(["CAP_NET_ADMIN"]),
                "This process lacks CAP_NET_ADMIN; start it as root, or turn the network worker off."
            ),
            (
                .toolMissing("nft", package: "nftables"),
                "The program nft is missing; install it with: apt-get install nftables."
            ),
            (
                .featureMissing(.framesInForwardHook, complaint: ""),
                "The kernel cannot do br_netfilter, which shows bridged frames to the forward hook; "
                    + "load the module: modprobe br_netfilter."
            ),
            (
                .directoryClosed("/root"),
                "dnsmasq, which gives up root, cannot pass through /root; make it passable with: chmod o+x /root."
            ),
        ]
        for (error, sentence) in errors { #expect(error.description == sentence) }
    }
}

import ComputeModel
import Glibc
import Testing

@testable import NetworkAgent

/// Everything here is real: the kernel's bridges, rules and namespaces, and dnsmasq; only the host is a namespace.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: ThrowAwayHost.obstacle == nil, Comment(rawValue: ThrowAwayHost.obstacle ?? "")))
struct HostNetworkTests {
    @Test func aGuestGetsItsAddressRoutesAndMTU() async throws {
        let host = try ThrowAwayHost()
        let port = Sample.port(1, "10.0.0.5", hostName: "demo")
        let route = PlannedRoute(destination: AddressPrefix("10.9.0.0/16")!, nextHop: IPAddress("10.0.0.9")!)
        let network = Sample.network(1, mtu: 1400, ports: [port], routes: [route])
        let report = try await host.network().apply(NetworkPlan(networks: [network]))
        #expect(report.notices.isEmpty)
        let guest = try await FakeGuest(port, on: network, of: host)
        let answer = try await guest.askDHCP()
        #expect(answer["ip"] == "10.0.0.5")
        #expect(answer["mask"] == "24")
        #expect(answer["mtu"] == "1400")
        #expect(answer["hostname"] == "demo")
        #expect(answer["dns"] == "192.0.2.53")
        #expect(answer["router"] == "10.0.0.1")
        #expect(answer["lease"] == "86400")
        #expect(answer["staticroutes"] == "169.254.169.254/32 10.0.0.2 10.9.0.0/16 10.0.0.9 0.0.0.0/0 10.0.0.1")
        #expect(await guest.pings("10.0.0.2"))
    }

    @Test func applyingTwiceChangesNothing() async throws {
        let host = try ThrowAwayHost()
        let network = Sample.network(1, ports: [Sample.port(1, "10.0.0.5")])
        let plan = NetworkPlan(
            networks: [network], routers: [Sample.router(1, legs: [(network, "10.0.0.1/24")])],
            externalNetworks: [Sample.external])
        let worker = host.network()
        let first = try await worker.apply(plan)
        #expect(!first.changedNothing)
        #expect(try await worker.apply(plan).changedNothing)
        #expect(try await worker.verify().changes == [])
        #expect(try await host.network().apply(plan).changes == [], "a new process finds everything in place")
    }

    @Test func metadataKnowsNetworkAndCallerWithTheSameAddressesInTwoNetworks() async throws {
        let host = try ThrowAwayHost()
        let ports = [Sample.port(1, "10.0.0.5"), Sample.port(2, "10.0.0.5")]
        let networks = [Sample.network(1, ports: [ports[0]]), Sample.network(2, ports: [ports[1]])]
        let worker = host.network()
        try await worker.apply(NetworkPlan(networks: networks))
        for index in 0..<2 {
            let socket = try await worker.openMetadataSocket(for: networks[index].id)
            defer { close(socket) }
            let guest = try await FakeGuest(ports[index], on: networks[index], of: host)
            #expect(try await guest.askDHCP()["ip"] == "10.0.0.5")
            async let answer = guest.ask("169.254.169.254", 80)
            let caller = await acceptOne(socket, answer: "network \(index)")
            #expect(caller == "10.0.0.5")
            #expect(await answer == "network \(index)")
        }
        #expect(throws: HostNetworkError.self) {
            try MetadataSocket.open(inNamespaceOf: Sample.identifier(1, 77), at: host.options.place)
        }
    }

    @Test func networksWithTheSameBlockAreWorldsOfTheirOwn() async throws {
        let host = try ThrowAwayHost()
        let open = PortProtection.filtered(rules: [Sample.allOut, Sample.ingress(.any)], pairs: [])
        let ports = [
            Sample.port(1, "10.0.0.5", open), Sample.port(2, "10.0.0.6", open),
            Sample.port(3, "10.0.0.5", open), Sample.port(4, "10.0.0.7", open),
        ]
        let networks = [Sample.network(1, ports: Array(ports[0...1])), Sample.network(2, ports: Array(ports[2...3]))]
        try await host.network().apply(NetworkPlan(networks: networks))
        var guests: [FakeGuest] = []
        for (index, port) in ports.enumerated() {
            let guest = try await FakeGuest(port, on: networks[index / 2], of: host)
            #expect(try await guest.askDHCP()["ip"] == port.fixedAddresses[0].description)
            guests.append(guest)
        }
        #expect(await guests[0].pings("10.0.0.6"))
        #expect(await guests[2].pings("10.0.0.7"))
        #expect(await guests[0].doesNotPing("10.0.0.7"))
        #expect(await guests[2].doesNotPing("10.0.0.6"))
        try await guests[1].serve("first", on: 8000)
        try await guests[3].serve("second", on: 8000)
        #expect(await guests[0].ask("10.0.0.6", 8000) == "first")
        #expect(await guests[2].ask("10.0.0.7", 8000) == "second")
    }

    @Test func rulesDecideWhatReachesAGuestAndAnswersAlwaysReturn() async throws {
        let host = try ThrowAwayHost()
        let ports = [
            Sample.port(1, "10.0.0.5"),
            Sample.port(
                2, "10.0.0.6",
                .filtered(
                    rules: [
                        Sample.allOut, Sample.ingress(Sample.tcp(8001), from: .block(AddressPrefix("10.0.0.5/32")!)),
                        Sample.ingress(Sample.tcp(8002), from: .members([AddressPrefix("10.0.0.7/32")!])),
                    ], pairs: [])),
            Sample.port(3, "10.0.0.7", .filtered(rules: [PlannedRule(.egress, .v4, Sample.tcp(8002))], pairs: [])),
        ]
        let network = Sample.network(1, ports: ports)
        try await host.network().apply(NetworkPlan(networks: [network]))
        let guests = try await connect(ports, on: network, of: host)
        try await guests[1].serve("one", on: 8001)
        try await guests[1].serve("two", on: 8002)
        #expect(await guests[0].ask("10.0.0.6", 8001) == "one")
        #expect(await guests[0].ask("10.0.0.6", 8002, seconds: 1) == "", "not a member")
        #expect(await guests[2].ask("10.0.0.6", 8002) == "two", "a member")
        #expect(await guests[2].ask("10.0.0.6", 8001, seconds: 1) == "", "may not leave")
        #expect(await guests[0].doesNotPing("10.0.0.6"), "no rule lets ICMP in")
        try await guests[0].serve("back", on: 8003)
        #expect(await guests[1].ask("10.0.0.5", 8003, seconds: 1) == "", "nothing is let in to the first guest")
    }

    @Test func aGuestCannotPretendToBeAnother() async throws {
        let host = try ThrowAwayHost()
        let open = PortProtection.filtered(rules: [Sample.allOut, Sample.ingress(.any)], pairs: [])
        let pair = PlannedAddressPair(block: AddressPrefix("10.0.0.64/28")!)
        let ports = [
            Sample.port(1, "10.0.0.5", open), Sample.port(2, "10.0.0.6", open),
            Sample.port(3, "10.0.0.7", .filtered(rules: [Sample.allOut, Sample.ingress(.any)], pairs: [pair])),
            Sample.port(4, "10.0.0.8", .open),
        ]
        let network = Sample.network(1, ports: ports)
        try await host.network().apply(NetworkPlan(networks: [network]))
        let guests = try await connect(ports, on: network, of: host)
        #expect(await guests[0].pings("10.0.0.6"))

        try await guests[0].take("10.0.0.99/24")
        #expect(await !guests[0].succeeds("busybox", "ping", "-c", "1", "-W", "1", "-I", "10.0.0.99", "10.0.0.6"))
        #expect(await guests[1].doesNotPing("10.0.0.99"), "nor is the address answered for by ARP")

        try await guests[2].take("10.0.0.70/24")
        #expect(await guests[2].succeeds("busybox", "ping", "-c", "1", "-W", "2", "-I", "10.0.0.70", "10.0.0.6"))
        #expect(await guests[1].pings("10.0.0.70"), "an allowed address pair is no pretence")

        try await guests[3].take("10.0.0.99/24")
        #expect(await guests[1].pings("10.0.0.99"), "a port without protection may do as it likes")

        _ = await guests[0].run("ip", "link", "set", "eth0", "address", "fa:16:3e:aa:00:02")
        #expect(await guests[0].doesNotPing("10.0.0.8"))
    }

    @Test func aGuestThatNobodyPlannedReachesNothing() async throws {
        let host = try ThrowAwayHost()
        let open = PortProtection.filtered(rules: [Sample.allOut, Sample.ingress(.any)], pairs: [])
        let port = Sample.port(1, "10.0.0.5", open)
        let network = Sample.network(1, ports: [port])
        try await host.network().apply(NetworkPlan(networks: [network]))
        _ = try await connect([port], on: network, of: host)
        let stranger = try await FakeGuest(Sample.port(9, "10.0.0.9"), on: network, of: host)
        try await stranger.take("10.0.0.9/24")
        #expect(await stranger.doesNotPing("10.0.0.5"))
        #expect(await stranger.doesNotPing("10.0.0.2"))
    }

    @Test func theHostIsNotReachableFromATenantNetwork() async throws {
        let host = try ThrowAwayHost()
        let port = Sample.port(1, "10.0.0.5")
        let network = Sample.network(1, ports: [port])
        let worker = host.network()
        try await worker.apply(NetworkPlan(networks: [network], externalNetworks: [Sample.external]))
        let guests = try await connect([port], on: network, of: host)
        let bridge = HostNames.bridge(network.id)
        let addresses = await host.run("ip", "-brief", "address", "show", "dev", bridge)
        #expect(!addresses.contains("fe80") && !addresses.contains("."), "the bridge has no address: \(addresses)")
        let links = try HostObservation.links(
            Array(await host.run("ip", "-j", "-d", "addr", "show", "dev", bridge).utf8))
        let mac = try #require(links[bridge]?.mac)
        _ = await guests[0].run("ip", "neigh", "add", "10.0.0.1", "lladdr", "\(mac)", "dev", "eth0")
        _ = await guests[0].run("ip", "route", "replace", "172.24.4.1/32", "via", "10.0.0.1")
        _ = await host.run("ip", "route", "add", "10.0.0.5/32", "dev", bridge)
        #expect(await guests[0].doesNotPing("172.24.4.1"))
        _ = await host.run("nft", "flush", "chain", "inet", "kilonova", "into-host")
        #expect(await guests[0].pings("172.24.4.1"), "it is the rule that keeps the guest out")
        #expect(try await worker.verify().changes.contains(HostChange(.changed, "table inet kilonova")))
        #expect(await guests[0].doesNotPing("172.24.4.1"))
    }

    @Test func rulesHoldForIPv6Too() async throws {
        let host = try ThrowAwayHost()
        let out = PlannedRule(.egress, .v6)
        let ping = PlannedRule(.ingress, .v6, .icmp(type: 128, code: nil))
        let ports = [
            Sample.port(1, "10.0.0.5", .filtered(rules: [out], pairs: [])),
            Sample.port(2, "10.0.0.6", .filtered(rules: [out, ping], pairs: [])),
        ]
        let network = Sample.network(1, ports: ports)
        try await host.network().apply(NetworkPlan(networks: [network]))
        let guests = try await connect(ports, on: network, of: host)
        let addresses = ports.map { IPv6Address(linkLocalFor: $0.mac).description }
        for (guest, address) in zip(guests, addresses) {
            #expect(
                await host.eventually {
                    let shown = await guest.run("ip", "-6", "address", "show", "dev", "eth0")
                    return shown.contains(address) && !shown.contains("tentative")
                })
        }
        #expect(await guests[0].succeeds("ping", "-6", "-c", "1", "-W", "2", "\(addresses[1])%eth0"))
        #expect(await !guests[1].succeeds("ping", "-6", "-c", "1", "-W", "1", "\(addresses[0])%eth0"))
        _ = await guests[0].run("ip", "address", "add", "fe80::bad/64", "dev", "eth0", "nodad")
        #expect(
            await !guests[0].succeeds(
                "ping", "-6", "-c", "1", "-W", "1", "-I", "fe80::bad%eth0", "\(addresses[1])%eth0"))
        #expect(await !guests[1].succeeds("ping", "-6", "-c", "1", "-W", "1", "fe80::bad%eth0"))
    }

    @Test func aGuestCannotAnswerDHCP() async throws {
        let host = try ThrowAwayHost()
        let ports = [Sample.port(1, "10.0.0.5"), Sample.port(2, "10.0.0.6", .open), Sample.port(3, "10.0.0.7")]
        var network = Sample.network(1, ports: ports)
        network.dhcpPort = nil
        try await host.network().apply(NetworkPlan(networks: [network]))
        let guests = try await connect(Array(ports[0...1]), on: network, of: host)
        let victim = try await FakeGuest(ports[2], on: network, of: host)
        for (rogue, expected) in [(guests[0], nil), (guests[1], "10.0.0.111")] {
            let server = [
                "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--port=0", "--interface=eth0",
                "--bind-interfaces", "--dhcp-range=10.0.0.111,10.0.0.111", "--dhcp-authoritative", "--user=root",
                "--dhcp-leasefile=\(host.directory)/rogue-\(rogue.name)", "--pid-file=",
            ]
            try host.start(rogue.prefix + server)
            #expect(await host.eventually { await rogue.run("busybox", "netstat", "-lun").contains(":67 ") })
            #expect(try await victim.askDHCP()["ip"] == expected)
        }
    }
}

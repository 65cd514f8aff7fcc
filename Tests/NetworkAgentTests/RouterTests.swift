import Glibc
import Testing

@testable import NetworkAgent

/// Ways between networks, and out of and into the cloud, with the real kernel.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: ThrowAwayHost.obstacle == nil, Comment(rawValue: ThrowAwayHost.obstacle ?? "")))
struct RouterTests {
    private static let reachable = PortProtection.filtered(
        rules: [Sample.allOut, Sample.ingress(Sample.ping), Sample.ingress(Sample.tcp(8000))], pairs: [])

    @Test func guestsReachTheHostAndTheWorldAndTheHostReachesAFloatingAddress() async throws {
        let host = try ThrowAwayHost()
        let ports = [Sample.port(1, "10.0.0.5", Self.reachable), Sample.port(2, "10.0.0.6", Self.reachable)]
        let network = Sample.network(1, ports: ports)
        let router = Sample.router(
            1, legs: [(network, "10.0.0.1/24")], floating: [Sample.floating("172.24.4.50", "10.0.0.5")])
        let plan = NetworkPlan(networks: [network], routers: [router], externalNetworks: [Sample.external])
        try await host.network().apply(plan)
        let guests = try await connect(ports, on: network, of: host)
        for guest in guests { _ = await guest.run("ip", "route", "replace", "default", "via", "10.0.0.1") }

        // Out, and under which address.
        #expect(try await caller(of: guests[0], at: "172.24.4.1", port: 9001) == "172.24.4.50")
        #expect(try await caller(of: guests[1], at: "172.24.4.1", port: 9002) == "172.24.4.10")

        // In.
        try await guests[0].serve("inside", on: 8000)
        #expect(await host.run("busybox", "timeout", "3", "busybox", "nc", "172.24.4.50", "8000") == "inside\n")
        #expect(await host.succeeds(["busybox", "ping", "-c", "1", "-W", "2", "172.24.4.50"]))
        #expect(await !host.succeeds(["busybox", "timeout", "1", "busybox", "nc", "172.24.4.50", "8001"]))

        // From one guest to the other by the floating address.
        #expect(await guests[1].ask("172.24.4.50", 8000) == "inside")

        // To the world behind the host, under the host's address there.
        let lines = [
            "netns add world", "link add name uplink type veth peer name eth0 netns world",
            "address add 198.51.100.1/24 dev uplink", "link set dev uplink up",
        ]
        try await host.command.run(["ip", "-batch", "-"], input: lines.map { $0 + "\n" }.joined())
        let inner = "link set lo up\naddress add 198.51.100.2/24 dev eth0\nlink set eth0 up\n"
        try await host.command.run(["ip", "-n", "world", "-batch", "-"], input: inner)
        #expect(try await caller(of: guests[1], at: "198.51.100.2", port: 9003, in: "world") == "198.51.100.1")
    }

    @Test func aRouterJoinsTwoNetworksAndRulesStillHold() async throws {
        let host = try ThrowAwayHost()
        let ports = [Sample.port(1, "10.0.0.5"), Sample.port(2, "10.0.1.5", Self.reachable)]
        let networks = [
            Sample.network(1, ports: [ports[0]]), Sample.network(2, block: "10.0.1.0/24", ports: [ports[1]]),
        ]
        let router = Sample.router(1, legs: [(networks[0], "10.0.0.1/24"), (networks[1], "10.0.1.1/24")], gateway: nil)
        try await host.network().apply(NetworkPlan(networks: networks, routers: [router]))
        var guests: [FakeGuest] = []
        for index in 0..<2 {
            let guest = try await FakeGuest(ports[index], on: networks[index], of: host)
            #expect(try await guest.askDHCP()["ip"] == ports[index].fixedAddresses[0].description)
            guests.append(guest)
        }
        #expect(await guests[0].pings("10.0.1.5"))
        try await guests[1].serve("over there", on: 8000)
        #expect(await guests[0].ask("10.0.1.5", 8000) == "over there")
        #expect(await guests[1].doesNotPing("10.0.0.5"), "no rule lets it in")
    }

    @Test func twoRoutersServeTheSameBlockAndAFloatingAddressMovesBetweenThem() async throws {
        let host = try ThrowAwayHost()
        let ports = [Sample.port(1, "10.0.0.5", Self.reachable), Sample.port(2, "10.0.0.5", Self.reachable)]
        let networks = [Sample.network(1, ports: [ports[0]]), Sample.network(2, ports: [ports[1]])]
        func plan(floatingAt owner: Int) -> NetworkPlan {
            let routers = (0..<2).map { index in
                Sample.router(
                    index, legs: [(networks[index], "10.0.0.1/24")], gateway: "172.24.4.\(10 + index)/24",
                    floating: owner == index ? [Sample.floating("172.24.4.50", "10.0.0.5")] : [])
            }
            return NetworkPlan(networks: networks, routers: routers, externalNetworks: [Sample.external])
        }
        let worker = host.network()
        try await worker.apply(plan(floatingAt: 0))
        for index in 0..<2 {
            let guest = try await FakeGuest(ports[index], on: networks[index], of: host)
            _ = try await guest.askDHCP()
            try await guest.serve("guest \(index)", on: 8000)
        }
        #expect(await host.run("busybox", "timeout", "3", "busybox", "nc", "172.24.4.50", "8000") == "guest 0\n")
        try await worker.apply(plan(floatingAt: 1))
        #expect(await host.run("busybox", "timeout", "3", "busybox", "nc", "172.24.4.50", "8000") == "guest 1\n")
    }

    /// Who the server at an address in the host's or another namespace sees when the guest connects to it.
    private func caller(
        of guest: FakeGuest, at address: String, port: UInt16, in namespace: String? = nil
    ) async throws -> String {
        let place = guest.host.options.place
        let path = namespace.map(place.namespacePath) ?? place.networkNamespace
        let server = try MetadataSocket.open(
            try #require(IPv4Address(address)), port: port, inNamespaceAt: path, called: path)
        defer { close(server) }
        async let answer = guest.ask(address, Int(port))
        let caller = await acceptOne(server, answer: "hello")
        #expect(await answer == "hello")
        return caller
    }
}

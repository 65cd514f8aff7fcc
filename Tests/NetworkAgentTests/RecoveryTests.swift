import Glibc
import Logging
@testable import NetworkAgent
import Synchronization
import Testing

/// What happens when the process is killed, things break, or plans change while guests run.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: ThrowAwayHost.obstacle == nil, Comment(rawValue: ThrowAwayHost.obstacle ?? "")))
struct RecoveryTests {
    private static func wholePlan(_ protection: PortProtection? = nil) -> (NetworkPlan, [PlannedPort]) {
        let open = PortProtection.filtered(rules: [Sample.allOut, Sample.ingress(.any)], pairs: [])
        let ports = [Sample.port(1, "10.0.0.5", protection ?? open), Sample.port(2, "10.0.0.6", protection ?? open)]
        let network = Sample.network(1, ports: ports)
        let router = Sample.router(
            1, legs: [(network, "10.0.0.1/24")], floating: [Sample.floating("172.24.4.50", "10.0.0.5")])
        return (NetworkPlan(networks: [network], routers: [router], externalNetworks: [Sample.external]), ports)
    }

    @Test func aRestartAndNewRulesDoNotInterruptAFlow() async throws {
        let host = try ThrowAwayHost()
        let (plan, ports) = Self.wholePlan()
        try await host.network().apply(plan)
        let guests = try await connect(ports, on: plan.networks[0], of: host)
        let received = "\(host.directory)/received"
        let pinged = "\(host.directory)/pinged"
        try host.start(guests[1].prefix + ["sh", "-c", "sleep 30 | busybox nc -l -p 7000"], output: received)
        #expect(await host.eventually { await guests[1].run("busybox", "netstat", "-ltn").contains(":7000 ") })
        let sender = "i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.05; done"
        try host.start(guests[0].prefix + ["sh", "-c", "(\(sender)) | busybox nc 10.0.0.6 7000"])
        try host.start(guests[0].prefix + ["ping", "-q", "-i", "0.02", "-c", "150", "10.0.0.6"], output: pinged)
        #expect(await host.eventually { SystemFile.text(received)?.contains("5\n") == true })

        let next = host.network()
        #expect(try await next.apply(plan).changes == [])
        _ = await host.run("nft", "flush", "chain", "inet", "kilonova", "arriving")
        try await next.verify()
        let (strict, _) = Self.wholePlan(.filtered(rules: [Sample.allOut], pairs: []))
        try await next.apply(strict)

        let isWhole = await host.eventually { SystemFile.text(received)?.hasSuffix("58\n59\n") == true }
        #expect(isWhole, "the connection went on: \(SystemFile.text(received)?.suffix(12) ?? "")")
        #expect(await host.eventually { SystemFile.text(pinged)?.contains("packet loss") == true })
        // Between the flush, which blocks everything, and its repair a few may be lost.
        let lost = SystemFile.text(pinged)?.split(separator: ",").first { $0.contains("% packet loss") } ?? ""
        #expect(Int(lost.split(separator: "%")[0].filter(\.isNumber)) ?? 100 < 40, "lost: \(lost)")
        #expect(await guests[0].doesNotPing("10.0.0.6"), "while what is new obeys the new rules")
    }

    @Test func everyKindOfDriftIsRepaired() async throws {
        let host = try ThrowAwayHost()
        let (plan, ports) = Self.wholePlan()
        let worker = host.network()
        try await worker.apply(plan)
        let network = plan.networks[0].id
        let router = HostNames.routerNamespace(plan.routers[0].id)
        let service = HostNames.serviceNamespace(network)
        let cable = HostNames.serviceCable(network)
        let damage: [[String]] = [
            ["nft", "delete", "table", "bridge", "kilonova"],
            ["nft", "flush", "table", "inet", "kilonova"],
            ["nft", "add", "rule", "inet", "kilonova", "between-guests", "accept"],
            ["ip", "link", "delete", HostNames.bridge(network)],
            ["ip", "link", "set", HostNames.bridge(network), "down"],
            ["ip", "link", "set", HostNames.bridge(network), "type", "bridge", "nf_call_iptables", "0"],
            ["ip", "link", "set", HostNames.bridge(network), "alias", ""],
            ["ip", "address", "add", "10.0.0.254/24", "dev", HostNames.bridge(network)],
            ["ip", "address", "flush", "dev", HostNames.externalBridge(Sample.external.id)],
            ["ip", "link", "set", cable, "nomaster"],
            ["ip", "link", "delete", cable],
            ["ip", "netns", "delete", service],
            ["ip", "-n", service, "address", "delete", "169.254.169.254/32", "dev", "eth0"],
            ["ip", "-n", service, "link", "set", "eth0", "mtu", "1300"],
            ["ip", "netns", "delete", router],
            ["ip", "-n", router, "route", "delete", "default"],
            ["ip", "-n", router, "address", "add", "172.24.4.77/32", "dev", "gateway"],
            ["ip", "netns", "exec", router, "nft", "delete", "table", "ip", "kilonova"],
            ["ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=0"],
            ["sysctl", "-qw", "net.ipv4.ip_forward=0"],
        ]
        for command in damage {
            #expect(await host.succeeds(command), "\(command)")
            #expect(try await !worker.verify().changedNothing, "not noticed: \(command)")
            #expect(try await worker.verify().changes == [], "not repaired: \(command)")
        }
        for process in LeaseProcess.running(below: host.directory) { kill(process.process, SIGKILL) }
        #expect(await host.eventually { LeaseProcess.running(below: host.directory).isEmpty })
        let repair = try await worker.verify()
        #expect(repair.changes.contains { $0.kind == .started })

        let guest = try await FakeGuest(ports[0], on: plan.networks[0], of: host)
        #expect(try await guest.askDHCP()["ip"] == "10.0.0.5")
        #expect(await host.succeeds(["busybox", "ping", "-c", "1", "-W", "2", "172.24.4.50"]))
    }

    @Test func whateverCommandWasTheLastTheNextProcessFinishes() async throws {
        let host = try ThrowAwayHost()
        let (plan, ports) = Self.wholePlan()
        func interrupted(after count: Int) -> HostNetwork {
            let left = Mutex(count)
            let command = HostCommand(place: host.options.place, logger: .silent) { arguments in
                guard arguments.first != "unshare" else { return nil }
                let isOver = left.withLock { left in
                    left -= 1
                    return left < 0
                }
                return isOver ? HostCommandFailure(command: arguments.joined(separator: " "), reason: .signal(9)) : nil
            }
            return HostNetwork(options: host.options, logger: .silent, command: command)
        }
        var finished = false
        var count = 0
        while !finished {
            for goal in [plan, NetworkPlan()] {
                do {
                    try await interrupted(after: count).apply(goal)
                    if goal == plan { finished = true }
                } catch HostNetworkError.command(let failure) {
                    #expect(failure.reason == .signal(9), "\(failure)")
                }
            }
            count += 1
            try #require(count < 100)
        }
        #expect(count > 10)
        let worker = host.network()
        try await worker.apply(plan)
        #expect(try await worker.verify().changes == [])
        let guest = try await FakeGuest(ports[1], on: plan.networks[0], of: host)
        #expect(try await guest.askDHCP()["ip"] == "10.0.0.6")
    }

    @Test func whatIsNotPlannedGoesAndWhatIsNotOursStays() async throws {
        let host = try ThrowAwayHost()
        let (plan, _) = Self.wholePlan()
        try await host.network().apply(plan)
        let foreign = [
            "link add name brqffffffff-ff type bridge", "netns add kn-net-ffffffff-ff", "netns add other",
            "link add name kndffffffff-ff type bridge", "link set dev kndffffffff-ff alias somebody",
        ]
        try await host.command.run(["ip", "-batch", "-"], input: foreign.map { $0 + "\n" }.joined())
        _ = await host.run("ip", "-n", "kn-net-ffffffff-ff", "link", "set", "lo", "alias", "somebody")
        _ = await host.run("nft", "add", "table", "inet", "other")

        let next = host.network()
        let report = try await next.apply(NetworkPlan(networks: [Sample.network(2)]))
        #expect(report.changes.contains { $0.kind == .removed })
        var links = await host.run("ip", "-brief", "link")
        #expect(!links.contains(HostNames.bridge(plan.networks[0].id)))
        #expect(!links.contains("brx") && !links.contains("knr") && !links.contains("knx"))
        #expect(LeaseProcess.running(below: host.directory).count == 1)

        try await next.removeEverything()
        links = await host.run("ip", "-brief", "link")
        #expect(links.contains("brqffffffff-ff") && links.contains("kndffffffff-ff"))
        #expect(!links.contains(HostNames.bridge(Sample.identifier(1, 2))))
        let namespaces = await host.run("ip", "netns", "list").split(separator: "\n").map { $0.prefix { $0 != " " } }
        #expect(namespaces.sorted() == ["kn-net-ffffffff-ff", "other"])
        #expect(await host.run("nft", "list", "tables") == "table inet other\n")
        #expect(LeaseProcess.running(below: host.directory).isEmpty)
        #expect(!SystemFile.exists(host.options.runtimeDirectory))
    }

    @Test func whatBelongsToSomeoneElseIsNotTaken() async throws {
        let host = try ThrowAwayHost()
        let bridge = HostNames.bridge(Sample.identifier(1, 1))
        _ = await host.run("ip", "link", "add", "name", bridge, "type", "bridge")
        _ = await host.run("ip", "link", "set", "dev", bridge, "alias", "somebody")
        await #expect(throws: HostNetworkError.nameTaken("device \(bridge)", by: "somebody")) {
            try await host.network().apply(NetworkPlan(networks: [Sample.network(1)]))
        }
    }

    @Test func aNewPortIsServedWithoutARestartAndReadyInAMoment() async throws {
        let host = try ThrowAwayHost()
        let ports = [Sample.port(1, "10.0.0.5"), Sample.port(2, "10.0.0.6")]
        let worker = host.network()
        let network = Sample.network(1, ports: [ports[0]])
        try await worker.apply(NetworkPlan(networks: [network]))
        let before = LeaseProcess.running(below: host.directory)
        await #expect(throws: HostNetworkError.portNotPlanned(ports[1].id, on: network.id)) {
            try await worker.ensurePort(ports[1].id, on: network.id)
        }
        var plan = NetworkPlan(networks: [network])
        plan.networks[0].ports.append(ports[1])
        let applied = try await worker.apply(plan)
        let ensured = try await worker.ensurePort(ports[1].id, on: network.id)
        #expect(ensured.changedNothing)
        #expect(applied.duration + ensured.duration < .seconds(2))
        #expect(LeaseProcess.running(below: host.directory) == before)
        let guest = try await FakeGuest(ports[1], on: network, of: host)
        #expect(try await guest.askDHCP()["ip"] == "10.0.0.6")

        _ = await host.run("ip", "link", "set", HostNames.bridge(network.id), "down")
        #expect(try await !worker.ensurePort(ports[1].id, on: network.id).changedNothing)
    }

    @Test func anAddressThatChangesItsOwnerIsGivenToTheNewOne() async throws {
        let host = try ThrowAwayHost()
        let ports = [Sample.port(1, "10.0.0.5"), Sample.port(2, "10.0.0.5")]
        let worker = host.network()
        let network = Sample.network(1, ports: [ports[0]])
        try await worker.apply(NetworkPlan(networks: [network]))
        #expect(try await FakeGuest(ports[0], on: network, of: host).askDHCP()["ip"] == "10.0.0.5")
        var plan = NetworkPlan(networks: [network])
        plan.networks[0].ports = [ports[1]]
        try await worker.apply(plan)
        #expect(try await FakeGuest(ports[1], on: network, of: host).askDHCP()["ip"] == "10.0.0.5")
    }

    @Test func callsAtTheSameTimeTakeTurns() async throws {
        let host = try ThrowAwayHost()
        let worker = host.network()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for count in 1...4 {
                group.addTask { try await worker.apply(NetworkPlan(networks: (1...count).map { Sample.network($0) })) }
                group.addTask { try await worker.verify() }
            }
            try await group.waitForAll()
        }
        #expect(try await worker.verify().changes == [])
        let planned = await worker.plan?.networks.count
        #expect(try await worker.status().bridges.count == planned)
    }

    @Test func aFailureIsNotForgotten() async throws {
        let host = try ThrowAwayHost()
        let isBroken = Mutex(false)
        let command = HostCommand(place: host.options.place, logger: .silent) { arguments in
            let fails = arguments.first == "ip" && isBroken.withLock { $0 }
            return fails ? HostCommandFailure(command: "ip", reason: .signal(9)) : nil
        }
        let worker = HostNetwork(options: host.options, logger: .silent, command: command)
        let port = Sample.port(1, "10.0.0.5")
        let network = Sample.network(1, ports: [port])
        try await worker.apply(NetworkPlan(networks: [network]))
        _ = await host.run("ip", "link", "delete", HostNames.bridge(network.id))
        isBroken.withLock { $0 = true }
        await #expect(throws: HostNetworkError.self) { try await worker.verify() }
        await #expect(throws: HostNetworkError.self) { try await worker.ensurePort(port.id, on: network.id) }
        isBroken.withLock { $0 = false }
        #expect(try await !worker.ensurePort(port.id, on: network.id).changedNothing)
        #expect(try await worker.verify().changedNothing)
    }

    @Test func someoneElsesTableInTheWayIsNamed() async throws {
        let host = try ThrowAwayHost()
        _ = await host.run("nft", "add", "table", "ip", "filter")
        let chain = "{ type filter hook forward priority 0; policy drop; }"
        _ = await host.run("nft", "add", "chain", "ip", "filter", "FORWARD", chain)
        let report = try await host.network().apply(NetworkPlan(networks: [Sample.network(1)]))
        #expect(report.notices == [
            "The table ip filter drops forwarded packets that it does not know, guests' packets too; "
                + "let those of brq* and brx* pass in its chain FORWARD.",
        ])
    }
}

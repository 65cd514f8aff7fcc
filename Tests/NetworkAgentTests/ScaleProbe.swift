import Testing

@testable import NetworkAgent

@Suite struct ScaleProbe {
    @Test func scale() async throws {
        let host = try ThrowAwayHost()
        let worker = host.network()
        var plan = NetworkPlan(externalNetworks: [Sample.external])
        for n in 1...10 {
            let ports = (0..<10).map {
                Sample.port(
                    n * 100 + $0, "10.0.0.\($0 + 10)",
                    .filtered(
                        rules: [
                            Sample.allOut, PlannedRule(.egress, .v6), Sample.ingress(Sample.tcp(22)),
                            Sample.ingress(Sample.ping),
                        ], pairs: []))
            }
            let network = Sample.network(n, ports: ports)
            plan.networks.append(network)
            plan.routers.append(Sample.router(n, legs: [(network, "10.0.0.1/24")], gateway: "172.24.4.\(n + 10)/24"))
        }
        let first = try await worker.apply(plan)
        print("SCALE cold", first.duration.seconds, first.notices)
        print("SCALE verify", try await worker.verify().duration.seconds)
        plan.networks[0].ports.append(Sample.port(9, "10.0.0.99"))
        print("SCALE add port", try await worker.apply(plan).duration.seconds)
        print(
            "SCALE ensure",
            try await worker.ensurePort(Sample.port(9, "10.0.0.99").id, on: plan.networks[0].id).duration.seconds)
        print("SCALE restart", try await host.network().apply(plan).duration.seconds)
        print("SCALE nothing", try await worker.apply(plan).duration.seconds)
    }
}

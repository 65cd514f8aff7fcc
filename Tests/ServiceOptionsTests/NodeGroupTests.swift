import Testing

@testable import ServiceOptions

/// What `[node:NAME]` and `[node:NAME.GROUP]` say of one node of a process.
@Suite struct NodeGroupTests {
    private let text = """
        [DEFAULT]
        compute_driver = fake
        max_concurrent_builds = 3
        [compute]
        driver_call_timeout = 7
        [node:a]
        compute_driver = vmware
        [Node:a.Compute]
        driver_call_timeout = 9
        [node:b.conductor]
        saga_limit = 5
        """

    private func source(_ settings: [String] = []) throws -> ConfigurationSource {
        try ConfigurationSource(text: text, settings: settings)
    }

    @Test func aNodesOwnGroupTakesPrecedence() throws {
        let a = try KilonovaOptions(source().narrowed(toNode: "a"))
        #expect(a.compute.computeDriver == "vmware" && a.compute.concurrentBuildsMax == 3)
        #expect(a.driverCalls.ordinary == .seconds(9))
        let b = try KilonovaOptions(source().narrowed(toNode: "b"))
        #expect(b.compute.computeDriver == "fake" && b.driverCalls.ordinary == .seconds(7))
        #expect(b.conductor.sagaLimit == 5)
        let everybody = try KilonovaOptions(source())
        #expect(everybody.compute.computeDriver == "fake" && everybody.driverCalls.ordinary == .seconds(7))
    }

    @Test func whatANodeSaysWinsWhereverItWasWritten() throws {
        let written = try source([
            "DEFAULT.compute_driver=libvirt", "node:b.compute_driver=xen", "node:b.compute.driver_call_timeout=2",
        ])
        #expect(try KilonovaOptions(written.narrowed(toNode: "a")).compute.computeDriver == "vmware")
        let b = try KilonovaOptions(written.narrowed(toNode: "b"))
        #expect(b.compute.computeDriver == "xen" && b.driverCalls.ordinary == .seconds(2))
    }

    @Test func optionsOfADriverAreTheNodesToo() throws {
        let schema = GroupSchema(
            name: "vmware", help: "",
            options: [DeclaredOption(name: "cluster_name", type: .list, defaultText: nil, help: "")])
        let written = try ConfigurationSource(
            text: "[vmware]\ncluster_name = one\n[node:b.vmware]\ncluster_name = two\n")
        #expect(try written.narrowed(toNode: "a").values(of: schema)["cluster_name"] == .list(["one"]))
        #expect(try written.narrowed(toNode: "b").values(of: schema)["cluster_name"] == .list(["two"]))
    }

    @Test func badValuesOfANodeAreRefusedWithTheirPlace() throws {
        let written = try ConfigurationSource(text: "[node:a.compute]\ndriver_call_timeout = soon\n", path: "k.conf")
        _ = try KilonovaOptions(written)
        let errors = #expect(throws: ConfigurationErrors.self) { try KilonovaOptions(written.narrowed(toNode: "a")) }
        #expect(errors?.description.hasPrefix("k.conf:2: [compute] driver_call_timeout = soon") == true)
    }

    @Test func whatWasWrittenIsKnown() throws {
        let written = try source(["node:c.host=x"])
        #expect(written.nodesWithGroups == ["a", "b", "c"])
        #expect(written.narrowed(toNode: "c").nodeSays("DEFAULT", "host"))
        #expect(!written.narrowed(toNode: "a").nodeSays("DEFAULT", "host"))
        #expect(!written.nodeSays("DEFAULT", "host"))
    }

    @Test func groupsOfNodesAreNotWarnedAbout() throws {
        let written = try ConfigurationSource(
            text: """
                [node:a]
                host = x
                compute_drivr = y
                [node:a.compute]
                driver_call_timeout = 3
                [node:a.nothing]
                a = b
                """)
        let warnings = written.warnings(known: KilonovaOptions.schemas).map(\.message)
        #expect(warnings.count == 2)
        #expect(warnings.contains { $0.contains("compute_drivr is ignored") && $0.contains("compute_driver?") })
        #expect(warnings.contains { $0.contains("[node:a.nothing] is ignored") })
    }
}

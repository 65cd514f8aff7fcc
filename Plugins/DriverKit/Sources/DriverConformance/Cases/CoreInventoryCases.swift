import ComputeModel
import DriverAPI

extension ConformanceCase {
    static func addInventoryCases(_ list: inout CaseList) {
        list.add(
            "core.inventory", .guestInfo, "The inventory comes at once and names the node", guests: 0, quick: true
        ) { bench in
            let inventory = try await bench.inventory()
            try check(!inventory.hypervisorType.isEmpty, "the inventory does not name the hypervisor's type")
            try check(!inventory.hypervisorHostname.isEmpty, "the inventory does not name the node")
            try check(inventory.hypervisorVersion >= 0, "the hypervisor's version is \(inventory.hypervisorVersion)")
            try check(!inventory.cpu.arch.isEmpty, "the inventory does not name the processor's architecture")
            try check(!inventory.supportedGuests.isEmpty, "the inventory says that no guest can run")
        }
        list.add(
            "core.inventory.resources", .guestInfo, "What the inventory offers is what placement takes", guests: 0,
            quick: true
        ) { bench in
            let inventory = try await bench.inventory()
            for wanted in [ResourceClass.vcpu, .memoryMiB] {
                try check(inventory.resources[wanted] != nil, "the inventory offers no \(wanted)")
            }
            for (name, offer) in inventory.resources.sorted(by: { $0.key < $1.key }) {
                try expectTakeable(offer, of: name)
            }
            try check(inventory.diskFreeGiB >= 0, "free disk space is \(inventory.diskFreeGiB) GiB")
        }
        list.add(
            "core.inventory.traits", .guestInfo, "Traits of the inventory are names that placement takes", guests: 0
        ) { bench in
            let traits = try await bench.inventory().traits
            try check(traits.count <= 1000, "the inventory has \(traits.count) traits")
            for trait in traits { try expectValid(trait) }
        }
        list.add(
            "core.inventory.two-readers", .guestInfo, "A second reader of the inventory gets it at once too", guests: 0
        ) { bench in
            let (one, other) = (try await bench.inventory(), try await bench.inventory())
            try check(one.hypervisorHostname == other.hypervisorHostname, "two readers got two nodes")
        }
        list.add(
            "core.inventory.steady", .guestInfo, "Guests and restarts change neither the node's name nor what it offers"
        ) { bench in
            let before = try await bench.inventory()
            _ = try await bench.spawn()
            try await bench.node.restart()
            let after = try await bench.inventory()
            try check(before.hypervisorHostname == after.hypervisorHostname, "the node's name changed")
            for wanted in [ResourceClass.vcpu, .memoryMiB] {
                let (old, new) = (before.resources[wanted]?.total, after.resources[wanted]?.total)
                try check(
                    old == new, "with a guest the total of \(wanted) changed, which placement subtracts by itself")
            }
        }
        list.add(
            "core.inventory.room", .guestInfo, "The node has room for a guest of the suite", guests: 0
        ) { bench in
            let resources = try await bench.inventory().resources
            for (name, amount) in bench.limits.flavor.resources {
                guard let offer = resources[name] else { continue }
                try check(offer.maxUnit >= amount, "a guest can have at most \(offer.maxUnit) \(name), not \(amount)")
            }
        }
        list.add("core.inventory.uptime", .hostUptime, "The host's uptime is told in words", guests: 0) { bench in
            guard let uptime = try await bench.inventory().uptime else {
                throw CaseSkip.notDeclared("the inventory has no uptime")
            }
            try check(uptime.contains("up"), "the uptime '\(uptime)' is not in the form of uptime(1)")
        }
        list.add("core.inventory.cpu-traits", .cpuTraits, "The processor's features are told as traits", guests: 0) {
            bench in
            let traits = try await bench.inventory().traits.filter { $0.rawValue.hasPrefix("HW_CPU_") }
            guard !traits.isEmpty else { throw CaseSkip.notDeclared("the inventory has no traits of the processor") }
            for trait in traits { try expectValid(trait) }
        }
        list.add(
            "topology.inventory", .guestInfo, "Cells, processors and pages of the node are told and fit together",
            needs: [.fact(.topology)], guests: 0
        ) { bench in
            let topology = try unwrap(try await bench.inventory().topology, "the inventory has no topology")
            try check(!topology.cells.isEmpty, "the topology has no cells")
            var seen: Set<Int> = []
            for cell in topology.cells {
                try check(!cell.cpus.isEmpty || cell.memoryMiB > 0, "cell \(cell.id) has neither processors nor memory")
                try check(seen.isDisjoint(with: cell.cpus), "a processor is in two cells")
                seen.formUnion(cell.cpus)
                for group in cell.siblings {
                    try check(group.isSubset(of: cell.cpus), "siblings of cell \(cell.id) are not all in it")
                }
            }
        }
        list.add(
            "topology.spawn", .launch, "A guest is placed on a cell and bound to a processor",
            needs: [.fact(.topology)]
        ) { bench in
            let topology = try unwrap(try await bench.inventory().topology, "the inventory has no topology")
            let cell = try unwrap(topology.cells.first { !$0.cpus.isEmpty }, "no cell has a processor")
            let cpu = try unwrap(cell.cpus.min(), "no cell has a processor")
            let memory = bench.limits.flavor.memoryMiB
            let guest = try await bench.spawn { spec in
                let place = GuestTopology.Cell(hostCell: cell.id, vcpus: [0], memoryMiB: memory, pinned: [0: cpu])
                spec.topology = GuestTopology(cells: [place])
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
        }
    }

    private static func expectTakeable(_ offer: ResourceInventory, of name: ResourceClass) throws {
        let text = name.rawValue
        let isName = !text.isEmpty && text.utf8.count <= 255 && text.utf8.allSatisfy(isNameByte)
        try check(isName, "'\(text.prefix(80))' is no name of a resource class")
        try check((1...Int(Int32.max)).contains(offer.total), "the total of \(name) is \(offer.total)")
        try check(
            (0...offer.total).contains(offer.reserved), "of \(offer.total) \(name) \(offer.reserved) are reserved")
        try check((1...offer.total).contains(offer.minUnit), "the least of \(name) is \(offer.minUnit)")
        try check(offer.maxUnit >= offer.minUnit, "the most of \(name) is \(offer.maxUnit), the least \(offer.minUnit)")
        try check(offer.stepSize >= 1, "the step of \(name) is \(offer.stepSize)")
        let isRatio = offer.allocationRatio > 0 && offer.allocationRatio < 10_000
        try check(isRatio, "the allocation ratio of \(name) is \(offer.allocationRatio)")
    }
}

extension Bench {
    /// The inventory as a new reader gets it.
    func inventory(of node: Node? = nil) async throws -> NodeInventory {
        let stream = (node ?? self.node).driver.inventory()
        let found = try await within(.seconds(10), "the first element of the inventory") {
            await firstElement(of: stream)
        }
        return try unwrap(found, "the stream of the inventory ended without an element")
    }
}

import ComputeModel
import DriverAPI

/// What an agent does not believe of its driver. The first thing wrong is told, in words that name it.
enum NonsenseCheck {
    /// The most that placement's columns hold.
    static let amountMax = Int(Int32.max)
    static let traitsMax = 1000
    static let classesMax = 200
    static let guestsMax = 100_000
    /// The API of drivers speaks of a few hundred bytes.
    static let handleBytesMax = 64 << 10

    /// Why an inventory is refused; `nil` for one that makes sense.
    static func trouble(in inventory: NodeInventory, capabilities: Capabilities) -> String? {
        names(inventory) ?? processors(inventory.cpu) ?? resources(inventory.resources)
            ?? traits(inventory.traits, "traits") ?? traits(capabilities.placementTraits, "capabilities")
            ?? inventory.topology.flatMap(topology)
            ?? outside(0...amountMax, inventory.diskFreeGiB, "free disk space in GiB")
    }

    /// Why a list of guests is refused; `nil` for one that makes sense.
    static func trouble(in guests: [GuestSummary]) -> String? {
        if guests.count > guestsMax { return "it lists \(guests.count) guests; at most \(guestsMax) are believed" }
        var seen: Set<GuestID> = []
        seen.reserveCapacity(guests.count)
        for guest in guests where !seen.insert(guest.id).inserted { return "it lists guest \(guest.id) twice" }
        return nil
    }

    private static func names(_ inventory: NodeInventory) -> String? {
        for (name, what) in [(inventory.hypervisorHostname, "host name"), (inventory.hypervisorType, "type")] {
            if name.isEmpty { return "the hypervisor's \(what) is empty" }
            if name.utf8.count > 255 { return "the hypervisor's \(what) has \(name.utf8.count) bytes; 255 are allowed" }
            if name.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) {
                return "the hypervisor's \(what) has control characters"
            }
        }
        if let uptime = inventory.uptime, uptime.utf8.count > 1000 {
            return "the uptime has \(uptime.utf8.count) bytes; 1000 are allowed"
        }
        if inventory.supportedGuests.count > 1000 {
            return "it names \(inventory.supportedGuests.count) kinds of guest; at most 1000 are believed"
        }
        return outside(0...amountMax, inventory.hypervisorVersion, "hypervisor version")
    }

    private static func processors(_ cpu: CPUDescription) -> String? {
        if cpu.features.count > 4096 { return "it names \(cpu.features.count) features of processors" }
        for text in [cpu.arch, cpu.vendor, cpu.model] + cpu.features where text.utf8.count > 255 {
            return "a text about its processors has \(text.utf8.count) bytes; 255 are allowed"
        }
        return outside(0...1_000_000, cpu.sockets, "sockets") ?? outside(0...1_000_000, cpu.cores, "cores")
            ?? outside(0...1_000_000, cpu.threads, "threads")
    }

    private static func resources(_ resources: [ResourceClass: ResourceInventory]) -> String? {
        if resources.count > classesMax {
            return "it names \(resources.count) resource classes; at most \(classesMax) are believed"
        }
        for (name, amounts) in resources.sorted(by: { $0.key < $1.key }) {
            if !isName(name.rawValue) {
                return "'\(name.rawValue.oneLine(lengthMax: 80))' is no name of a resource class"
            }
            let trouble =
                outside(0...amountMax, amounts.total, "\(name) total")
                ?? outside(0...max(0, amounts.total), amounts.reserved, "\(name) reserved")
                ?? outside(1...amountMax, amounts.minUnit, "\(name) min_unit")
                ?? outside(0...amountMax, amounts.maxUnit, "\(name) max_unit")
                ?? outside(1...amountMax, amounts.stepSize, "\(name) step_size")
            if let trouble { return trouble }
            let ratio = amounts.allocationRatio
            if !ratio.isFinite || ratio <= 0 || ratio > 10_000 {
                return "\(name) allocation_ratio is \(ratio); it must be above 0 and at most 10000"
            }
        }
        return nil
    }

    private static func traits(_ traits: Set<Trait>, _ what: String) -> String? {
        if traits.count > traitsMax {
            return "its \(what) are \(traits.count) traits; at most \(traitsMax) are believed"
        }
        let wrong = traits.filter { !isName($0.rawValue) }.min()
        return wrong.map { "'\($0.rawValue.oneLine(lengthMax: 80))' is no name of a trait" }
    }

    private static func topology(_ topology: HostTopology) -> String? {
        if topology.cells.count > 1024 { return "it has \(topology.cells.count) NUMA cells" }
        if topology.pciDevices.count > 65536 { return "it has \(topology.pciDevices.count) PCI devices" }
        var cells: Set<Int> = []
        var cpus: Set<Int> = []
        for cell in topology.cells {
            if !cells.insert(cell.id).inserted { return "NUMA cell \(cell.id) is there twice" }
            if !cpus.isDisjoint(with: cell.cpus) { return "NUMA cell \(cell.id) has a processor of another cell" }
            cpus.formUnion(cell.cpus)
            if let wrong = cell.cpus.first(where: { $0 < 0 || $0 > 1_000_000 }) {
                return "NUMA cell \(cell.id) has a processor \(wrong)"
            }
            if let trouble = outside(0...amountMax, cell.memoryMiB, "memory of NUMA cell \(cell.id)") { return trouble }
            for (size, count) in cell.pages where size <= 0 || count < 0 {
                return "NUMA cell \(cell.id) has \(count) pages of \(size) KiB"
            }
        }
        return nil
    }

    private static func outside(_ range: ClosedRange<Int>, _ value: Int, _ what: String) -> String? {
        range.contains(value) ? nil : "\(what) is \(value); it must be from \(range.lowerBound) to \(range.upperBound)"
    }

    /// Placement's names: capital letters, digits, underscores.
    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
            }
    }
}

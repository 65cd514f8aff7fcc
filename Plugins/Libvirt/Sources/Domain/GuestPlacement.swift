import ComputeModel

/// Where a guest's processors and memory lie, in libvirt's words.
enum GuestPlacement {
    /// The element `<memoryBacking>`; `nil` for pages of the usual size.
    static func pages(_ topology: GuestTopology) -> XMLElement? {
        var pages: [XMLElement] = []
        for (number, cell) in topology.cells.enumerated() {
            // Pages of the usual size need no word, and 4 KiB ones are no huge pages.
            guard let size = cell.pageKiB, size > 4 else { continue }
            pages.append(XMLElement("page", ["size": "\(size)", "unit": "KiB", "nodeset": "\(number)"]))
        }
        return pages.isEmpty ? nil : XMLElement("memoryBacking", [:], [XMLElement("hugepages", [:], pages)])
    }

    /// The element `<cputune>`; `nil` when nothing is tuned.
    ///
    /// - Parameter hostCells: processors of the node by cell; a guest's that float keep to those of their cell.
    static func tuning(
        _ topology: GuestTopology?, _ limits: GuestLimits, _ hostCells: [Int: Set<Int>]
    ) -> XMLElement? {
        var tuning = XMLElement("cputune")
        let numbers = [("shares", limits.cpuShares), ("period", limits.cpuPeriod), ("quota", limits.cpuQuota)]
        for (name, value) in numbers {
            if let value { tuning.add(XMLElement(name, text: "\(value)")) }
        }
        var everything: Set<Int> = []
        for cell in topology?.cells ?? [] {
            let floating = hostCells[cell.hostCell] ?? []
            for vcpu in cell.vcpus.sorted() {
                let cpus = cell.pinned[vcpu].map { [$0] } ?? floating
                guard !cpus.isEmpty else { continue }
                everything.formUnion(cpus)
                tuning.add(XMLElement("vcpupin", ["vcpu": "\(vcpu)", "cpuset": list(cpus)]))
            }
        }
        let wished = topology?.emulatorCPUs ?? []
        let emulator = wished.isEmpty ? everything : wished
        if !emulator.isEmpty { tuning.add(XMLElement("emulatorpin", ["cpuset": list(emulator)])) }
        return tuning.contents.isEmpty ? nil : tuning
    }

    /// The element `<numatune>`.
    static func memory(_ topology: GuestTopology) -> XMLElement {
        var tune = XMLElement(
            "numatune", [:],
            [XMLElement("memory", ["mode": "strict", "nodeset": list(Set(topology.cells.map(\.hostCell)))])])
        for (number, cell) in topology.cells.enumerated() {
            tune.add(XMLElement("memnode", ["cellid": "\(number)", "mode": "strict", "nodeset": "\(cell.hostCell)"]))
        }
        return tune
    }

    /// The element `<numa>` of the processor.
    static func cells(_ topology: GuestTopology) -> XMLElement {
        XMLElement(
            "numa", [:],
            topology.cells.enumerated().map { number, cell in
                XMLElement(
                    "cell",
                    [
                        "id": "\(number)", "cpus": list(Set(cell.vcpus)), "memory": "\(cell.memoryMiB)", "unit": "MiB",
                    ])
            })
    }

    /// `0-3,8`.
    static func list(_ numbers: Set<Int>) -> String {
        var parts: [String] = []
        var run: ClosedRange<Int>?
        func close() {
            guard let run else { return }
            parts.append(run.count == 1 ? "\(run.lowerBound)" : "\(run.lowerBound)-\(run.upperBound)")
        }
        for number in numbers.sorted() {
            if let current = run, current.upperBound + 1 == number {
                run = current.lowerBound...number
            } else {
                close()
                run = number...number
            }
        }
        close()
        return parts.joined(separator: ",")
    }

    /// The numbers in a text like `0-3,8`.
    /// Ranges beyond what any host has are left out.
    static func numbers(_ text: String) -> Set<Int> {
        let numbersMax = 1 << 16
        var found: Set<Int> = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, 0 <= first, first <= last, last < numbersMax else {
                continue
            }
            found.formUnion(first...last)
        }
        return found
    }
}

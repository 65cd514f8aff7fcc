import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Counters.
    static let diagnosticsCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.diagnostics)]
        list.add(
            "diagnostics.running", .guestInfo, "The counters of a running guest fit its sizes", needs: needs, guests: 0,
            shared: .reads, quick: true
        ) { bench in
            let guest = try bench.sharedGuest()
            let found = try await bench.diagnostics(of: guest.id)
            try check(found.power == .running, "the counters say that a running guest is \(found.power)")
            try check(!found.driver.isEmpty, "the counters do not name the driver")
            let flavor = guest.spec.flavor
            try check(found.cpus.count <= flavor.vcpus, "\(found.cpus.count) processors are counted")
            if let most = found.memoryMaximumMiB {
                try check(most == UInt64(flavor.memoryMiB), "the most memory is \(most) MiB, not \(flavor.memoryMiB)")
                if let used = found.memoryUsedMiB { try check(used <= most, "\(used) of \(most) MiB are used") }
            }
            for cpu in found.cpus {
                guard let percent = cpu.utilisationPercent else { continue }
                try check((0...100).contains(percent), "a processor is busy for \(percent) percent")
            }
        }
        list.add("diagnostics.stopped", .guestInfo, "A stopped guest has counters too", needs: needs) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let found = try await bench.diagnostics(of: guest.id)
            try check(found.power == .shutdown, "the counters say that a stopped guest is \(found.power)")
        }
        list.add(
            "diagnostics.absent-guest", .guestInfo, "The counters of an absent guest are an error that says so",
            needs: needs, guests: 0
        ) { bench in
            let diagnostics = try unwrap(bench.capabilities.diagnostics, "no diagnostics")
            try await expectError([.noSuchGuest], from: "the counters of an absent guest") {
                _ = try await diagnostics.diagnostics(of: .random())
            }
        }
        list.add(
            "diagnostics.interfaces", .guestInfo, "The counters name the guest's interfaces", needs: needs,
            parts: [.interfaces]
        ) { bench in
            let interface = try await bench.interface()
            let guest = try await bench.spawn { $0.interfaces = [interface] }
            let found = try await bench.diagnostics(of: guest.id)
            let addresses = Set(found.nics.compactMap(\.macAddress))
            try check(
                addresses.isSubset(of: [interface.macAddress]), "interfaces \(addresses.sorted()) are counted")
        }
        list.add(
            "diagnostics.at-once", .guestInfo, "Many readers at once get counters", needs: needs, guests: 0,
            shared: .reads
        ) { bench in
            let guest = try bench.sharedGuest()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { _ = try await bench.diagnostics(of: guest.id) } }
                try await group.waitForAll()
            }
        }
        return list.cases
    }()
}

extension Bench {
    /// The counters of a guest.
    func diagnostics(of guest: GuestID) async throws -> GuestDiagnostics {
        let diagnostics = try unwrap(capabilities.diagnostics, "no diagnostics")
        return try await doing("reading counters") { try await diagnostics.diagnostics(of: guest) }
    }
}

import ComputeModel
import DriverAPI

extension CallProbe {
    /// The changing calls of the core.
    static let core: [CallProbe] = [spawnProbe, destroyProbe, powerOnProbe, powerOffProbe, softReboot, hardReboot]

    private static let spawnProbe = CallProbe(
        id: "core.spawn", deed: "spawning a guest", feature: .launch, rehearsal: "spawn",
        aspects: [.does, .repeated, .foreign, .fails, .cancelled, .killed, .restarted],
        make: { bench, metadata in
            let spec = bench.makeSpec(metadata: metadata)
            bench.track(spec.id)
            let guest = TestGuest(
                id: spec.id, spec: spec, call: bench.call(), handle: GuestHandle(version: 1, data: []))
            return Arranged(node: bench.node, guest: guest)
        },
        perform: { _, arranged, call in
            let handle = try await arranged.driver.spawn(arranged.guest.spec, call)
            arranged.node.keep(handle, of: arranged.id)
        },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after spawn")
            let listed = try await bench.guests().filter { $0.id == arranged.id }
            try check(listed.count == 1, "after spawn the guest is listed \(listed.count) times")
            try check(listed.first?.isOurs == true, "after spawn the guest is listed as foreign")
        })

    private static let destroyProbe = CallProbe(
        id: "core.destroy", deed: "destroying a guest", feature: .terminate, rehearsal: "destroy",
        onAbsent: .succeeds,
        perform: { _, arranged, call in
            try await arranged.driver.destroy(arranged.id, call)
            arranged.node.keep(nil, of: arranged.id)
        },
        verify: { bench, arranged in
            try await bench.expectAbsent(arranged.id, "after destroy")
            let left = try await bench.observe(arranged.id).world
            try check(left.isEmpty, "after destroy there is left: \(left.joined(separator: " / "))")
        })

    private static let powerOnProbe = CallProbe(
        id: "core.power-on", deed: "starting a guest", feature: .launch, rehearsal: "power_on",
        position: { bench, arranged in
            let (driver, guest, call) = (arranged.driver, arranged.id, bench.call())
            try await doing("powerOff") { try await driver.powerOff(guest, within: .zero, call) }
        },
        perform: { _, arranged, call in try await arranged.driver.powerOn(arranged.id, call) },
        verify: { bench, arranged in try await bench.expectPower([.running], of: arranged.id, "after powerOn") })

    private static let powerOffProbe = CallProbe(
        id: "core.power-off", deed: "stopping a guest", feature: .launch, rehearsal: "power_off",
        perform: { _, arranged, call in try await arranged.driver.powerOff(arranged.id, within: .zero, call) },
        verify: { bench, arranged in try await bench.expectPower([.shutdown], of: arranged.id, "after powerOff") })

    private static let softReboot = CallProbe(
        id: "core.reboot-soft", deed: "rebooting a guest softly", feature: .reboot, rehearsal: "reboot",
        mayEndOff: true,
        perform: { bench, arranged, call in
            try await arranged.driver.reboot(arranged.id, .soft, within: bench.limits.grace, call)
        },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after a soft reboot")
            try await bench.expectBoots(2, of: arranged.id, "after a soft reboot")
        })

    private static let hardReboot = CallProbe(
        id: "core.reboot-hard", deed: "rebooting a guest hard", feature: .reboot, rehearsal: "reboot",
        mayEndOff: true,
        perform: { _, arranged, call in
            try await arranged.driver.reboot(arranged.id, .hard, within: .zero, call)
        },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after a hard reboot")
            try await bench.expectBoots(2, of: arranged.id, "after a hard reboot")
        })
}

extension Bench {
    /// Fails the case unless the guest was started so often, where that can be seen.
    func expectBoots(_ wanted: Int, of guest: GuestID, _ when: String) async throws {
        guard let boots = try await subject.insight?.boots(of: guest) else { return }
        try check(boots == wanted, "\(when) the guest was started \(boots) times, not \(wanted)")
    }
}

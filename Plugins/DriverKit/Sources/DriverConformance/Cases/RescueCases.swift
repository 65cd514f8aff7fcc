import ComputeModel
import DriverAPI

extension CallProbe {
    static let rescue = CallProbe(
        id: "rescue.rescue", deed: "rescuing a guest", feature: .rescue, needs: [.capability(.rescue)],
        rehearsal: "rescue", mayEndOff: true,
        perform: { bench, arranged, call in
            let spec = RescueSpec(image: bench.subject.images.rescue)
            try await arranged.capabilities.rescue?.rescue(arranged.id, with: spec, call)
        },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after rescue")
            try await bench.expectBoots(2, of: arranged.id, "after rescue")
        })

    static let unrescue = CallProbe(
        id: "rescue.unrescue", deed: "ending a guest's rescue", feature: .rescue, needs: [.capability(.rescue)],
        rehearsal: "unrescue", mayEndOff: true,
        position: { bench, arranged in
            let spec = RescueSpec(image: bench.subject.images.rescue)
            try await arranged.capabilities.rescue?.rescue(arranged.id, with: spec, bench.call())
        },
        perform: { _, arranged, call in try await arranged.capabilities.rescue?.unrescue(arranged.id, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after unrescue")
            try await bench.expectBoots(3, of: arranged.id, "after unrescue")
        })
}

extension ConformanceCase {
    /// Booting from a rescue image.
    static let rescueCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.rescue)]
        list.add(
            "rescue.round-trip", .rescue, "A guest comes back from rescue as it was, with its own root disk",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            try await bench.rescue(guest.id)
            let inRescue = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == inRescue, "in rescue the guest's own root disk is lost")
            try await bench.rescuing().unrescue(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after unrescue", ignoringPower: true)
            try await bench.expectPower([.running], of: guest.id, "after unrescue")
            let contentNow = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == contentNow, "after unrescue the root disk is another")
        }
        list.add("rescue.lasts", .rescue, "A guest in rescue stays so when the driver is restarted", needs: needs) {
            bench in
            let guest = try await bench.spawn()
            let outside = try await bench.observe(guest.id)
            try await bench.rescue(guest.id)
            let inside = try await bench.observe(guest.id)
            try await bench.node.restart()
            try await bench.expectUnchanged(guest.id, since: inside, "in rescue, after a restart of the driver")
            try await bench.rescuing().unrescue(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: outside, "after unrescue", ignoringPower: true)
        }
        list.add("rescue.stopped", .rescue, "A stopped guest is rescued and runs", needs: needs) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.rescue(guest.id)
            try await bench.expectPower([.running], of: guest.id, "after rescue")
        }
        list.add(
            "rescue.unrescue.not-rescued", .rescue,
            "Ending the rescue of a guest that is in none succeeds, and it runs",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let (rescuing, call) = (try bench.rescuing(), bench.call())
            try await doing("unrescue of a guest that is in none") { try await rescuing.unrescue(guest.id, call) }
            try await bench.expectPower([.running], of: guest.id, "after unrescue")
        }
        list.add("rescue.destroy", .rescue, "A guest in rescue is destroyed with everything", needs: needs) { bench in
            let guest = try await bench.spawn()
            try await bench.rescue(guest.id)
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.expectAbsent(guest.id, "after destroy in rescue")
        }
        list.add(
            "rescue.reboot", .rescue, "A guest in rescue is rebooted into the rescue and comes back from it",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let outside = try await bench.observe(guest.id)
            try await bench.rescue(guest.id)
            let inside = try await bench.observe(guest.id)
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectUnchanged(guest.id, since: inside, "in rescue, after a reboot", ignoringPower: true)
            try await bench.rescuing().unrescue(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: outside, "after unrescue", ignoringPower: true)
        }
        list.add(
            "rescue.image-unavailable", .rescue, "A rescue image that cannot be fetched leaves the guest as it was",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            var image = bench.subject.images.rescue
            image.id = .random()
            let fetches = bench.subject.host.fetches
            do {
                try await bench.rescuing().rescue(guest.id, with: RescueSpec(image: image), bench.call())
            } catch {
                try check(ErrorKind.of(error) == .imageUnavailable, "a missing rescue image threw \(told(error))")
                return try await bench.expectUnchanged(
                    guest.id, since: before, "after a rescue without its image", ignoringPower: true)
            }
            try check(bench.subject.host.fetches == fetches, "the image could not be fetched, and rescue succeeded")
            throw CaseSkip.notShown("the driver rescues guests without fetching images")
        }
        list.add(
            "stable-rescue.device", .rescue, "A guest is rescued with all its devices in their places",
            needs: needs + [.fact(.stableRescue)]
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let spec = RescueSpec(
                image: bench.subject.images.rescue, stableDevice: StableRescueDevice(device: "disk", bus: "virtio"))
            try await bench.rescuing().rescue(guest.id, with: spec, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after a stable rescue")
            try await bench.rescuing().unrescue(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after unrescue", ignoringPower: true)
        }
        list.add(
            "stable-rescue.unknown-device", .rescue, "A rescue device that cannot be made is not supported",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let spec = RescueSpec(
                image: bench.subject.images.rescue,
                stableDevice: StableRescueDevice(device: "conformance", bus: "conformance"))
            let (rescuing, call) = (try bench.rescuing(), bench.call())
            try await expectError([.notSupported], from: "a rescue on an unknown device") {
                try await rescuing.rescue(guest.id, with: spec, call)
            }
        }
        return CallProbe.rescue.cases + CallProbe.unrescue.cases + list.cases
    }()
}

extension Bench {
    func rescuing() throws -> any RescuingGuests { try unwrap(capabilities.rescue, "the driver does not rescue") }

    /// Boots a guest from the rescue image.
    func rescue(_ guest: GuestID) async throws {
        let (rescuing, call, spec) = (try rescuing(), call(), RescueSpec(image: subject.images.rescue))
        try await doing("rescue") { try await rescuing.rescue(guest, with: spec, call) }
    }
}

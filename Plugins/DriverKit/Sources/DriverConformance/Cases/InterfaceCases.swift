import ComputeModel
import DriverAPI

extension CallProbe {
    static let attachInterface = CallProbe(
        id: "interfaces.attach", deed: "attaching an interface to a guest", feature: .attachInterface,
        needs: [.capability(.interfaces)], parts: [.interfaces], rehearsal: "attach_interface",
        equip: { bench, arranged in arranged.interface = try await bench.interface() },
        perform: { bench, arranged, call in
            guard let interface = arranged.interface else { return }
            try await arranged.capabilities.interfaces?.attach(interface, to: arranged.id, call)
        },
        verify: { bench, arranged in
            guard let interface = arranged.interface else { return }
            try await bench.expectInterfaces([interface.macAddress], of: arranged.id, "after attach")
        })

    static let detachInterface = CallProbe(
        id: "interfaces.detach", deed: "detaching an interface from a guest", feature: .detachInterface,
        needs: [.capability(.interfaces)], parts: [.interfaces], rehearsal: "detach_interface",
        equip: { bench, arranged in arranged.interface = try await bench.interface() },
        position: { bench, arranged in
            guard let interface = arranged.interface else { return }
            try await arranged.capabilities.interfaces?.attach(interface, to: arranged.id, bench.call())
        },
        perform: { bench, arranged, call in
            guard let interface = arranged.interface else { return }
            try await arranged.capabilities.interfaces?.detach(interface.portID, from: arranged.id, call)
        },
        verify: { bench, arranged in try await bench.expectInterfaces([], of: arranged.id, "after detach") })
}

extension ConformanceCase {
    /// Network interfaces of guests that exist.
    static let interfaceCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.interfaces)]
        list.add(
            "interfaces.attach.stopped", .attachInterface,
            "An interface attached to a stopped guest is there when it runs",
            needs: needs, parts: [.interfaces]
        ) { bench in
            let (guest, interface) = (try await bench.spawn(), try await bench.interface())
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.interfaces().attach(interface, to: guest.id, bench.call())
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectInterfaces([interface.macAddress], of: guest.id, "after powerOn")
        }
        list.add(
            "interfaces.detach.spawned", .detachInterface, "An interface that the guest was spawned with is detached",
            needs: needs, parts: [.interfaces]
        ) { bench in
            let (first, second) = (try await bench.interface(), try await bench.interface())
            let guest = try await bench.spawn { $0.interfaces = [first, second] }
            try await bench.interfaces().detach(first.portID, from: guest.id, bench.call())
            try await bench.expectInterfaces([second.macAddress], of: guest.id, "after detach of one of two")
        }
        list.add(
            "interfaces.detach.not-attached", .detachInterface, "Detaching an interface that is not attached succeeds",
            needs: needs, parts: [.interfaces]
        ) { bench in
            let interface = try await bench.interface()
            let guest = try await bench.spawn { $0.interfaces = [interface] }
            let (interfaces, call) = (try bench.interfaces(), bench.call())
            try await doing("detach of an interface that is not attached") {
                try await interfaces.detach(.random(), from: guest.id, call)
            }
            try await bench.expectInterfaces([interface.macAddress], of: guest.id, "after detach of another")
        }
        list.add(
            "interfaces.attach.attached", .attachInterface, "Attaching an attached interface adds no second device",
            needs: needs, parts: [.interfaces]
        ) { bench in
            let (guest, interface) = (try await bench.spawn(), try await bench.interface())
            try await bench.interfaces().attach(interface, to: guest.id, bench.call())
            let before = try await bench.observe(guest.id)
            try await bench.interfaces().attach(interface, to: guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after attach of an attached interface")
        }
        list.add(
            "interfaces.attach.lasts", .attachInterface, "An interface stays through a reboot and a power cycle",
            needs: needs, parts: [.interfaces]
        ) { bench in
            let (guest, interface) = (try await bench.spawn(), try await bench.interface())
            try await bench.interfaces().attach(interface, to: guest.id, bench.call())
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectInterfaces([interface.macAddress], of: guest.id, "after reboot and power cycle")
        }
        list.add(
            "interfaces.of.absent-guest", .attachInterface,
            "The interfaces of an absent guest are an error that says so",
            needs: needs, guests: 0
        ) { bench in
            let (interfaces, guest) = (try bench.interfaces(), GuestID.random())
            try await expectError([.noSuchGuest], from: "listing the interfaces of an absent guest") {
                _ = try await interfaces.interfaces(of: guest)
            }
        }
        list.add(
            "interfaces.attach.unknown-binding", .attachInterface, "A binding that is not declared is not supported",
            needs: needs
        ) { bench in
            let (guest, interfaces) = (try await bench.spawn(), try bench.interfaces())
            let declared = Set(bench.capabilities.bindings)
            let bindings: [PortBinding] = [.unbound, .bridge(bridge: "br-none", tap: "tap-none")]
            guard let strange = bindings.first(where: { !declared.contains($0.kind) }) else {
                throw CaseSkip.notShown("the driver takes every kind of binding")
            }
            var interface = NetworkInterfaceSpec.unboundForConformance()
            interface.binding = strange
            let (asked, call) = (interface, bench.call())
            try await expectError([.notSupported], from: "attaching a port that is bound as \(strange.kind.rawValue)") {
                try await interfaces.attach(asked, to: guest.id, call)
            }
            try await bench.expectInterfaces([], of: guest.id, "after a refused attach")
        }
        list.add(
            "tagged-interfaces.attach", .attachTaggedInterface, "An interface is attached with a tag",
            needs: needs + [.fact(.taggedInterfaces)], parts: [.interfaces]
        ) { bench in
            let guest = try await bench.spawn()
            var interface = try await bench.interface()
            interface.tag = "conformance-nic"
            try await bench.interfaces().attach(interface, to: guest.id, bench.call())
            try await bench.expectInterfaces([interface.macAddress], of: guest.id, "after attach with a tag")
            try await bench.expectTags(["conformance-nic"], of: guest.id)
        }
        list.add(
            "tagged-interfaces.not-declared", .attachTaggedInterface,
            "An interface's tag that cannot be kept is not supported",
            needs: needs, parts: [.interfaces]
        ) { bench in
            guard !bench.capabilities.facts.contains(.taggedInterfaces) else {
                throw CaseSkip.notShown("the driver declares it")
            }
            let guest = try await bench.spawn()
            var interface = try await bench.interface()
            interface.tag = "conformance-nic"
            let (interfaces, tagged, call) = (try bench.interfaces(), interface, bench.call())
            try await expectError([.notSupported], from: "attaching with a tag") {
                try await interfaces.attach(tagged, to: guest.id, call)
            }
            throw CaseSkip.notDeclared("the driver does not declare tagged-interfaces")
        }
        return CallProbe.attachInterface.cases + CallProbe.detachInterface.cases + list.cases
    }()
}

extension Bench {
    func interfaces() throws -> any AttachingInterfaces {
        try unwrap(capabilities.interfaces, "the driver attaches no interfaces")
    }

    /// Fails the case unless the guest has exactly these hardware addresses.
    func expectInterfaces(_ wanted: Set<String>, of guest: GuestID, _ when: String) async throws {
        let interfaces = try interfaces()
        let found = try await doing("listing interfaces") { try await interfaces.interfaces(of: guest) }
        try check(found == wanted, "\(when) the guest has the interfaces \(found.sorted()), not \(wanted.sorted())")
    }
}

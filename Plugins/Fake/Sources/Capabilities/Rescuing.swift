import ComputeModel
import DriverAPI

/// Boots guests from a rescue image.
struct Rescuing: RescuingGuests {
    let hypervisor: Hypervisor

    func rescue(_ guest: GuestID, with spec: RescueSpec, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.rescue, guest, call) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            guard known.rescue == nil else { throw .refused("guest \(guest) is in rescue already") }
            if let wish = spec.stableDevice {
                let isKnown = ["cdrom", "disk", "floppy"].contains(wish.device) && GuestRules.buses.contains(wish.bus)
                guard isKnown else {
                    throw .notSupported("a rescue image as \(wish.device) on the bus \(wish.bus)")
                }
            }
            try hypervisor.rules.check(spec.image)
            try await hypervisor.rehearse(.rescue, "guest \(guest)", known.metadata)
            try await hypervisor.provide(spec.image, for: guest)
            try self.start(guest, with: spec, call)
            return ""
        }
    }

    private func start(_ id: GuestID, with spec: RescueSpec, _ call: DriverCall) throws(DriverError) {
        try hypervisor.checkCancellation()
        let medium = FakeDisk.new(DiskName(guest: id, role: .rescue), sizeGiB: 0, image: spec.image.id)
        try hypervisor.world.change { state, change throws(DriverError) in
            guard var guest = state.guests[id] else { throw hypervisor.absent(id) }
            guest.stop()
            guest.rescue = FakeGuest.Rescue(
                image: spec.image.id,
                stableDevice: spec.stableDevice.map { FakeGuest.StableDevice(device: $0.device, bus: $0.bus) })
            guest.boot(at: hypervisor.now())
            guest.note(Call.rescue.rawValue, call.operation)
            change.put = guest
            change.disks = [medium]
            if hypervisor.mutation == .rescueLosesOriginal { change.disksRemoved = [guest.root] }
        }
        hypervisor.told(id, .running)
    }

    func unrescue(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.unrescue, guest, call) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            try await hypervisor.rehearse(.unrescue, "guest \(guest)", known.metadata)
            try hypervisor.checkCancellation()
            let power = try hypervisor.world.change { state, change throws(DriverError) in
                guard var guest = state.guests[guest] else { throw hypervisor.absent(guest) }
                if guest.rescue != nil {
                    guest.stop()
                    guest.rescue = nil
                    if hypervisor.mutation != .unrescueLeavesImage {
                        change.disksRemoved = [DiskName(guest: guest.id, role: .rescue)]
                    }
                }
                switch guest.power {
                case .running: break
                case .paused: guest.power = .running
                case .suspended: guest.wake(at: hypervisor.now())
                case .shutdown, .crashed, .noState:
                    if hypervisor.mutation != .unrescueStaysOff { guest.boot(at: hypervisor.now()) }
                }
                guest.note(Call.unrescue.rawValue, call.operation)
                change.put = guest
                return guest.power
            }
            hypervisor.told(guest, power)
            return ""
        }
    }
}

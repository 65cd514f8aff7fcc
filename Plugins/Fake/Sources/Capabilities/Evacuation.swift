import ComputeModel
import DriverAPI

extension Hypervisor {
    /// Removes a disk whoever uses it.
    fileprivate func erase(_ name: DiskName) throws(DriverError) {
        if let folder = world.sharedFolder { return try folder.erase(name) }
        try world.change { _, change throws(DriverError) in change.disksRemoved = [name] }
    }
}

/// Brings up guests whose root disks lie on storage that nodes share.
struct Evacuation: EvacuatingGuests {
    let hypervisor: Hypervisor

    func holdsDisks(of guest: GuestID) async throws(DriverError) -> Bool {
        try await hypervisor.enter(.holdsDisks, "guest \(guest)")
        return try hypervisor.disk(DiskName(guest: guest, role: .root)) != nil
    }

    func adopt(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.adopt, spec.id, call) { (known) throws(DriverError) in
            if let known {
                guard known.isOurs else { throw hypervisor.foreign(spec.id) }
                throw .refused("guest \(spec.id) is here already")
            }
            try await hypervisor.rehearse(.adopt, "guest \(spec.id)", spec.metadata)
            try await hypervisor.build(spec, call, as: .adopt) { (found) throws(DriverError) in
                if let found { return found }
                let name = DiskName(guest: spec.id, role: .root)
                guard hypervisor.mutation == .adoptWithoutDisks else {
                    throw .refused("the disks of guest \(spec.id) are not here")
                }
                return FakeDisk.new(name, sizeGiB: spec.flavor.rootGiB, image: spec.image?.id)
            }
            return ""
        }
        return FakeDriver.handle(of: spec.id)
    }

    func forget(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.forget, guest, call) { (known) throws(DriverError) in
            guard let known else { return "" }
            guard known.isOurs else { throw hypervisor.foreign(guest) }
            try await hypervisor.rehearse(.forget, "guest \(guest)", known.metadata)
            try hypervisor.checkCancellation()
            hypervisor.consoles.close(guest)
            try hypervisor.world.change { state, change throws(DriverError) in
                change.removed = guest
                change.operation = call.operation
                if state.departures[guest] != nil { change.departureEnded = guest }
                change.disksRemoved = [DiskName(guest: guest, role: .rescue)]
            }
            if hypervisor.mutation == .forgetRemovesDisks { try hypervisor.erase(known.root) }
            return ""
        }
    }
}

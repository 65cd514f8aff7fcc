import ComputeModel
import DriverAPI

extension FakeDriver {
    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        _ = try await hypervisor.carryOut(.spawn, spec.id, call) { (known) throws(DriverError) in
            if let known { try self.refuse(known, spec, call) }
            do throws(DriverError) {
                try await self.hypervisor.rehearse(.spawn, "guest \(spec.id)", spec.metadata)
                try await self.hypervisor.build(spec, call, as: .spawn) { _ in
                    FakeDisk.new(
                        DiskName(guest: spec.id, role: .root), sizeGiB: spec.flavor.rootGiB, image: spec.image?.id)
                }
            } catch {
                self.leaveDebris(spec, error)
                throw error
            }
            return ""
        }
        if hypervisor.mutation == .spawnLeavesGuestOff {
            try hypervisor.world.change { state, change throws(DriverError) in
                change.put = state.guests[spec.id]
                change.put?.stop()
            }
        }
        hypervisor.host.log(.debug, "guest spawned", ["guest": spec.id.description])
        return Self.handle(of: spec.id)
    }

    private func refuse(_ known: FakeGuest, _ spec: GuestSpec, _ call: DriverCall) throws(DriverError) {
        if hypervisor.mutation == .spawnTwiceMakesTwo { return }
        guard known.isOurs else { throw hypervisor.foreign(spec.id) }
        throw .refused("guest \(spec.id) exists already, made by another operation than \(call.operation)")
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.destroy, guest, call) { (known) throws(DriverError) in
            if let known, !known.isOurs, hypervisor.mutation != .foreignTouched { throw hypervisor.foreign(guest) }
            if known == nil, hypervisor.mutation == .destroyAbsentThrows { throw hypervisor.absent(guest) }
            if let known { try await hypervisor.rehearse(.destroy, "guest \(guest)", known.metadata) }
            try hypervisor.checkCancellation()
            if hypervisor.mutation == .destroyNoop { return "" }
            hypervisor.consoles.close(guest)
            try hypervisor.remove(guest, call, withDisks: hypervisor.mutation != .destroyLeavesDisk)
            return ""
        }
    }

    /// What careless drivers leave of a spawn that fails.
    private func leaveDebris(_ spec: GuestSpec, _ error: DriverError) {
        let leavesDisk =
            hypervisor.mutation == .spawnFailureLeavesDisk
            || hypervisor.mutation == .cancelLeavesDebris && error == .cancelled
        let disk = FakeDisk.new(
            DiskName(guest: spec.id, role: .root), sizeGiB: spec.flavor.rootGiB, image: spec.image?.id)
        do throws(DriverError) {
            try hypervisor.world.change { _, change throws(DriverError) in
                if leavesDisk { change.disks = [disk] }
                if hypervisor.mutation == .spawnFailureLeavesGuest {
                    change.put = FakeGuest(
                        id: spec.id, name: spec.name, power: .shutdown, operation: 0, metadata: [:], boots: 0)
                }
            }
        } catch {
            hypervisor.host.log(.warning, "debris could not be left", ["error": error.message])
        }
    }
}

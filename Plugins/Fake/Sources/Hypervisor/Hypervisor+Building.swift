import ComputeModel
import DriverAPI

extension Hypervisor {
    var rules: GuestRules { GuestRules(options: options) }

    /// Makes a guest. If it throws, nothing of it is there.
    ///
    /// - Parameter disk: the root disk, given the one that is here; not asked for a guest that boots from a volume.
    func build(
        _ spec: GuestSpec, _ number: DriverCall, as call: Call,
        disk: (FakeDisk?) throws(DriverError) -> FakeDisk
    ) async throws(DriverError) {
        let rules = rules
        try world.check { (state) throws(DriverError) in try rules.check(spec, state) }
        if let image = spec.image { try await provide(image, for: spec.id) }
        try checkCancellation()
        try await power.pass()
        let name = DiskName(guest: spec.id, role: .root)
        let root = spec.bootVolume == nil ? try disk(self.disk(name)) : nil
        var guest = FakeGuest(spec, operation: number.operation)
        if spec.isRunning { guest.boot(at: now()) }
        guest.note(call.rawValue, number.operation)
        let made = guest
        try world.change { state, change throws(DriverError) in
            // Another guest may have taken the last device meanwhile.
            try rules.check(spec, state)
            change.put = made
            if let root { change.disks = [root] }
            if mutation == .spawnTwiceMakesTwo, state.guests[spec.id] != nil {
                change.put = FakeGuest(
                    id: .random(), name: made.name, power: .running, operation: 0, metadata: [:], boots: 1)
            }
        }
    }

    /// Gets an image that a guest starts from, where the node keeps images; one whose signature must be checked is
    /// always fetched, because the host checks it then.
    func provide(_ image: ImageSpec, for guest: GuestID) async throws(DriverError) {
        guard options.fetchImages || !image.trustedCertificates.isEmpty else { return images.use(image.id) }
        host.report(DriverProgress(guest: guest, phase: "fetching image"))
        try await images.fetch(image)
    }

    func disk(_ name: DiskName) throws(DriverError) -> FakeDisk? { try world.disk(name) }

    /// Removes all that there is of a guest, and remembers by which operation.
    func remove(_ guest: GuestID, _ number: DriverCall, withDisks: Bool) throws(DriverError) {
        try world.change { state, change throws(DriverError) in
            change.removed = guest
            change.operation = number.operation
            if withDisks {
                change.disksRemoved = [
                    DiskName(guest: guest, role: .root), DiskName(guest: guest, role: .rescue),
                ]
            }
            if state.departures[guest] != nil { change.departureEnded = guest }
            if state.arrivals[guest] != nil { change.arrivalEnded = guest }
        }
    }
}

extension FakeGuest {
    /// A guest that is off, as a specification has it.
    init(_ spec: GuestSpec, operation: Int64) {
        self.init(
            id: spec.id, name: spec.name, power: .shutdown, operation: operation, metadata: spec.metadata, boots: 0)
        flavor = spec.flavor
        image = spec.image?.id
        agent = GuestAgent(spec)
        hasConfigDrive = spec.configDrive != nil
        volumes = spec.volumes.map { AttachedVolume($0) }
        interfaces = spec.interfaces.map { AttachedInterface($0) }
        topology = spec.topology
        pciDevices = spec.pciDevices
    }
}

import ComputeModel
import DriverAPI

extension XenAPIDriver {
    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try await guestGate.pass(spec.id) { () async throws(DriverError) in
            if let machine = try await self.admit(call, spec.id) {
                if machine.otherConfig[Mark.madeBy] == "\(call.operation)" { return Self.handle(machine) }
                guard !machine.isComplete, machine.departedGuest == nil else {
                    throw .refused("Guest \(spec.id) exists already.")
                }
                // What an interrupted attempt left is of no use: begin anew.
                try await self.removeEverything(spec.id)
            }
            let handle = try await self.build(spec, call, from: .image)
            self.removals.forget(spec.id)
            return handle
        }
    }

    /// What a guest's disks are made of.
    enum DiskSource: Sendable {
        /// The root disk from the image, the others empty.
        case image
        /// From disks that a guest left when it departed, by their role.
        case copies([DiskRole: DiskCopy])
    }

    /// Makes a guest. If it throws, nothing of it remains.
    func build(_ spec: GuestSpec, _ call: DriverCall, from source: DiskSource) async throws(DriverError) -> GuestHandle
    {
        try await check(spec)
        let repository = try await Repositories(client: client, place: place).guests()
        let definition = try MachineDefinition(spec, place: place, node: host.nodeName, options: options)
        let networks = Networks(client: client, option: options.integrationNetwork)
        return try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            rollback.onFailure { await self.undo(spec.id) }
            let reference = try await self.client.call(
                "VM.create", [definition.record(operation: call.operation)], "define the guest \(spec.id)"
            ).text
            var places = DiskPlaces()
            try await self.makeDisks(spec, on: reference, repository, source, &places)
            for volume in spec.volumes {
                try await self.connect(volume, to: spec.id, reference, &places)
            }
            for (index, interface) in spec.interfaces.enumerated() {
                let network = try await networks.find(for: interface)
                _ = try await networks.add(interface, to: reference, on: network, device: index)
            }
            if Task.isCancelled { throw .cancelled }
            if spec.isRunning {
                self.host.report(DriverProgress(guest: spec.id, phase: "starting"))
                try await self.long(
                    "VM.start_on", [.text(reference), .text(self.place.reference), false, false],
                    "start the guest \(spec.id)", within: self.options.runningTimeout)
            }
            try await self.mark(reference, [Mark.madeBy: "\(call.operation)"])
            guard let machine = try await self.machine(reference) else { throw .noSuchGuest(spec.id) }
            return Self.handle(machine)
        }
    }

    /// Refuses what cannot be had, before anything is made.
    private func check(_ spec: GuestSpec) async throws(DriverError) {
        if !spec.pciDevices.isEmpty { throw .notSupported("Passing devices through is not supported by XenAPI nodes.") }
        if let topology = spec.topology, topology.cells.contains(where: { !$0.pinned.isEmpty || $0.pageKiB != nil }) {
            throw .notSupported("Pinned processors and huge pages are not supported by XenAPI nodes.")
        }
        if spec.interfaces.count > Networks.interfacesMax {
            throw .refused("A guest of XenAPI has at most \(Networks.interfacesMax) interfaces.")
        }
        for volume in spec.volumes { try Volumes.check(volume) }
        if let image = spec.image { try DiskImage.checkFormat(image.diskFormat) }
        guard spec.image != nil || spec.bootVolume != nil else {
            throw .refused("The guest has neither an image nor a volume to boot from.")
        }
    }

    private func makeDisks(
        _ spec: GuestSpec, on machine: String, _ repository: Repositories.Repository, _ source: DiskSource,
        _ places: inout DiskPlaces
    ) async throws(DriverError) {
        let disks = GuestDisks(driver: self, repository: repository, guest: spec.id)
        if spec.bootVolume == nil {
            host.report(DriverProgress(guest: spec.id, phase: "preparing image"))
            let root: String
            if case .copies(let copies) = source, let copy = copies[.root] {
                root = try await disks.take(copy, as: .root, growTo: spec.flavor.rootGiB)
            } else if let image = spec.image {
                root = try await disks.makeRoot(from: image, gib: spec.flavor.rootGiB)
            } else {
                throw .refused("The guest has no image to boot from.")
            }
            try await disks.attach(root, as: .root, to: machine, at: try places.take("0"), bootable: true)
        }
        host.report(DriverProgress(guest: spec.id, phase: "making disks"))
        if spec.flavor.ephemeralGiB > 0 {
            let disk: String
            if case .copies(let copies) = source, let copy = copies[.ephemeral] {
                disk = try await disks.take(copy, as: .ephemeral, growTo: spec.flavor.ephemeralGiB)
            } else {
                disk = try await disks.make(.ephemeral, bytes: UInt64(spec.flavor.ephemeralGiB) << 30)
            }
            try await disks.attach(disk, as: .ephemeral, to: machine, at: try places.take("1"))
        }
        if spec.flavor.swapMiB > 0 {
            let disk = try await disks.makeSwap(mib: spec.flavor.swapMiB)
            try await disks.attach(disk, as: .swap, to: machine, at: try places.take("2"))
        }
        if let files = spec.configDrive {
            let disk = try await disks.makeConfigDrive(files, as: .config)
            try await disks.attach(disk, as: .config, to: machine, at: try places.take("3"), readOnly: true)
        }
    }

    /// Undo of a failed build: tries for a while, as the server may be busy with what was begun.
    func undo(_ guest: GuestID) async {
        for attempt in 1...5 {
            do throws(DriverError) {
                try await removeEverything(guest)
                return
            } catch {
                host.log(
                    .warning, "undoing a failed operation failed",
                    ["guest.id": guest.description, "attempt": "\(attempt)", "error": error.message])
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }
}

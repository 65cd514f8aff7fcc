import ComputeModel
import DriverAPI

extension XenAPIDriver: SnapshottingGuests {
    var formats: [String] { [TransferFormat.vhd.rawValue, TransferFormat.raw.rawValue] }

    /// A snapshot of a disk takes a moment in which the guest runs on.
    var isLive: Bool { true }

    func snapshot(_ guest: GuestID, to target: SnapshotTarget, _ call: DriverCall) async throws(DriverError) {
        guard let format = TransferFormat(rawValue: target.diskFormat) else {
            throw .notSupported(
                "An image of format \(target.diskFormat) cannot be made on XenAPI nodes; vhd and raw can.")
        }
        if target.mustQuiesce {
            throw .notSupported("The file systems of a server cannot be silenced on XenAPI nodes.")
        }
        try await change(guest, call) { machine async throws(DriverError) in
            guard let root = try await self.rootDisk(of: machine, guest) else {
                throw .notSupported("The server has no root disk of which an image could be made.")
            }
            let file = try ScratchFile(in: self.host.stateDirectory, name: "snapshot")
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                let snapshot = try await self.client.call(
                    "VDI.snapshot", [.text(root), [:]], "make a snapshot of guest \(guest)"
                ).text
                rollback.onFailure { try? await self.destroyDisk(snapshot) }
                // A name of its own: a snapshot that an interrupted call left is found by it and removed.
                _ = try await self.client.call(
                    "VDI.set_name_label", [.text(snapshot), .text(DiskRole.snapshot.name(of: guest))], "name a snapshot"
                )
                try await self.transfers.read(
                    snapshot, to: file.path, format: format, at: self.place.endpoint,
                    progress: self.progress(of: guest, "exporting disk"))
                self.host.report(DriverProgress(guest: guest, phase: "uploading image"))
                try await self.host.storeImage(target.image, from: file.path, format: target.diskFormat)
                try await self.destroyDisk(snapshot)
            }
        }
    }

    /// The disk that a guest boots from when it is not in rescue; `nil` when that is a volume.
    func rootDisk(of machine: Machine, _ guest: GuestID) async throws(DriverError) -> String? {
        try await disks(of: machine).first { $0.role == .root }?.vdi
    }
}

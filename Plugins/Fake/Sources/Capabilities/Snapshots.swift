import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// Makes images of root disks: small raw files that begin with what the disk holds.
struct Snapshots: SnapshottingGuests {
    /// Bytes of an image; the marker and zeros.
    static let imageBytes = 64 << 10

    let hypervisor: Hypervisor

    var formats: [String] { ["raw"] }
    var isLive: Bool { true }

    func snapshot(_ guest: GuestID, to target: SnapshotTarget, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.snapshot, guest, call) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            guard self.formats.contains(target.diskFormat) || hypervisor.mutation == .snapshotAnyFormat else {
                throw .notSupported("a snapshot in the format \(target.diskFormat); the fake driver makes raw ones")
            }
            guard let disk = try hypervisor.disk(known.root) else {
                throw .notSupported("guest \(guest) boots from a volume: it has no root disk to make an image of")
            }
            if target.mustQuiesce {
                guard known.agent == .answers || known.power != .running else {
                    throw .notSupported("guest \(guest) has no agent that could silence its file systems")
                }
            }
            try await hypervisor.rehearse(.snapshot, "guest \(guest)", known.metadata)
            try await self.upload(disk, of: known, to: target)
            // Not noted among the calls done: repeating it uploads again.
            try hypervisor.world.change { state, change throws(DriverError) in
                guard var guest = state.guests[guest] else { throw hypervisor.absent(guest) }
                guest.see(call.operation)
                if hypervisor.mutation == .snapshotStopsGuest { guest.stop() }
                change.put = guest
            }
            return ""
        }
    }

    private func upload(_ disk: FakeDisk, of guest: FakeGuest, to target: SnapshotTarget) async throws(DriverError) {
        let folder = hypervisor.host.stateDirectory + "/snapshots"
        let path = "\(folder)/\(target.image)-\(UUIDValue.random().compact).raw"
        defer { if hypervisor.mutation != .snapshotLeavesTemp { _ = unlink(path) } }
        hypervisor.host.report(DriverProgress(guest: guest.id, phase: "making image", percent: 0))
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data(Self.content(of: disk)).write(to: URL(filePath: path))
        } catch {
            throw .insufficientResources("the snapshot of guest \(guest.id) cannot be written to \(path): \(error)")
        }
        try hypervisor.checkCancellation()
        hypervisor.host.report(DriverProgress(guest: guest.id, phase: "uploading image", percent: 0))
        try await hypervisor.host.storeImage(target.image, from: path, format: target.diskFormat)
        hypervisor.host.report(DriverProgress(guest: guest.id, phase: "uploading image", percent: 100))
    }

    /// What a disk holds.
    static func content(of disk: FakeDisk) -> [UInt8] {
        let text = "KILONOVA FAKE DISK\nguest \(disk.name.guest)\ncontent \(disk.marker)\n"
        var bytes = Array(text.utf8)
        bytes += [UInt8](repeating: 0, count: max(0, imageBytes - bytes.count))
        return bytes
    }
}

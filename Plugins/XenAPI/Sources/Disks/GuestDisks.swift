import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// A disk that a guest left when it departed.
struct DiskCopy: Hashable, Codable, Sendable {
    /// The disk, where the destination sees it; `nil` for one that comes as a file.
    var vdi: String?
    /// Name of the file offered.
    var file: String?
    /// Size of the disk.
    var bytes: UInt64
}

/// Makes the disks of one guest, each named and marked so that it is found again.
struct GuestDisks: Sendable {
    let driver: XenAPIDriver
    let repository: Repositories.Repository
    let guest: GuestID

    /// An empty disk.
    func make(_ role: DiskRole, bytes: UInt64) async throws(DriverError) -> String {
        try await driver.client.call(
            "VDI.create",
            [Self.record(name: role.name(of: guest), in: repository.reference, bytes: bytes, marks(role))],
            "make the \(role.rawValue) disk of guest \(guest)"
        ).text
    }

    /// What `VDI.create` is given.
    static func record(name: String, in repository: String, bytes: UInt64, _ marks: [String: String]) -> XenValue {
        [
            "name_label": .text(name), "name_description": "", "SR": .text(repository),
            "virtual_size": .text("\(bytes)"),
            "type": "user", "sharable": false, "read_only": false, "xenstore_data": [:],
            "other_config": XenValue(marks),
            "sm_config": [:], "tags": [],
        ]
    }

    private func marks(_ role: DiskRole) -> [String: String] {
        [Mark.guest: guest.description, Mark.role: role.rawValue]
    }

    /// A root disk from an image: a clone of the cached disk where the image is cached.
    ///
    /// - Parameter gib: size in GiB; 0 for the image's own.
    func makeRoot(from image: ImageSpec, gib: Int, as role: DiskRole = .root) async throws(DriverError) -> String {
        let images = Images(driver: driver, repository: repository)
        let disk: VirtualDisk
        if images.isCached(image) {
            let base = try await images.cached(image, for: guest)
            try Self.checkSize(of: image, base.bytes, gib: gib)
            let clone = try await driver.client.call(
                "VDI.clone", [.text(base.reference)], "clone the disk of image \(image.id)"
            ).text
            do throws(DriverError) {
                try await adopt(clone, role, image: image.id)
            } catch {
                // Until it bears our marks nobody else would find it.
                await Task { [driver] in try? await driver.destroyDisk(clone) }.value
                throw error
            }
            disk = VirtualDisk(clone, base.record)
        } else {
            let made = try await images.fill(
                image, for: guest, name: role.name(of: guest),
                marks: marks(role).merging(
                    [Mark.image: image.id.description]) { $1 })
            try Self.checkSize(of: image, made.bytes, gib: gib)
            disk = made
        }
        try await grow(disk.reference, from: disk.bytes, toGiB: gib)
        return disk.reference
    }

    private static func checkSize(of image: ImageSpec, _ bytes: UInt64, gib: Int) throws(DriverError) {
        guard gib > 0, bytes > UInt64(gib) << 30 else { return }
        throw .imageUnacceptable(
            "The image's disk of \((bytes + (1 << 30) - 1) >> 30) GiB is larger than the flavor's root disk of "
                + "\(gib) GiB."
        )
    }

    /// Gives a disk the guest's name and marks.
    private func adopt(_ vdi: String, _ role: DiskRole, image: ImageID?) async throws(DriverError) {
        let client = driver.client
        _ = try await client.call(
            "VDI.set_name_label", [.text(vdi), .text(role.name(of: guest))], "name a disk")
        var marks = marks(role)
        if let image { marks[Mark.image] = image.description }
        _ = try await client.call("VDI.set_other_config", [.text(vdi), XenValue(marks)], "mark a disk")
    }

    /// Makes a disk larger; one that is as large is left alone.
    private func grow(_ vdi: String, from bytes: UInt64, toGiB gib: Int) async throws(DriverError) {
        let wanted = UInt64(gib) << 30
        guard gib > 0, wanted > bytes else { return }
        _ = try await driver.client.call("VDI.resize", [.text(vdi), .text("\(wanted)")], "grow a disk to \(gib) GiB")
    }

    /// Takes over a copy of a departed guest's disk: a clone in the same repository, a copy into another, or a file.
    func take(_ copy: DiskCopy, as role: DiskRole, growTo gib: Int) async throws(DriverError) -> String {
        let client = driver.client
        guard let source = copy.vdi else {
            throw .refused("The \(role.rawValue) disk of guest \(guest) is neither here nor offered as a file.")
        }
        let record = try await client.call("VDI.get_record", [.text(source)], "describe a disk that was set aside")
        let old = VirtualDisk(source, record)
        let made: String
        if old.repository == repository.reference {
            made = try await client.call("VDI.clone", [.text(source)], "clone a disk that was set aside").text
        } else {
            let guest = guest, host = driver.host
            made = try await driver.long(
                "VDI.copy", [.text(source), .text(repository.reference)], "copy a disk that was set aside",
                progress: { host.report(DriverProgress(guest: guest, phase: "copying disk", percent: $0)) })
        }
        do throws(DriverError) {
            try await adopt(made, role, image: old.image)
        } catch {
            await Task { [driver] in try? await driver.destroyDisk(made) }.value
            throw error
        }
        try await grow(made, from: old.bytes, toGiB: gib)
        return made
    }

    /// A disk that is swap space.
    func makeSwap(mib: Int) async throws(DriverError) -> String {
        let disk = try await make(.swap, bytes: UInt64(mib) << 20)
        try await fill(disk, with: SwapSpace.header(bytes: UInt64(mib) << 20), "swap")
        return disk
    }

    /// A disk that holds the configuration drive, ISO 9660 as the guest expects it.
    func makeConfigDrive(_ files: [String: [UInt8]], as role: DiskRole) async throws(DriverError) -> String {
        let image: [UInt8]
        do throws(ISO9660.Trouble) {
            image = try ISO9660(label: "config-2", files: files).bytes
        } catch {
            throw .refused("The configuration drive cannot be made: \(error.message)")
        }
        let disk = try await make(role, bytes: UInt64(max(image.count, 1 << 20)))
        try await fill(disk, with: image, "config")
        return disk
    }

    private func fill(_ disk: String, with bytes: [UInt8], _ name: String) async throws(DriverError) {
        let file = try ScratchFile(in: driver.host.stateDirectory, name: "\(guest).\(name)")
        try file.write(bytes)
        try await driver.transfers.fill(disk, from: file.path, format: .raw, at: driver.place.endpoint)
    }

    /// Puts a disk into a machine.
    func attach(
        _ vdi: String, as role: DiskRole, to machine: String, at place: String, bootable: Bool = false,
        readOnly: Bool = false
    ) async throws(DriverError) {
        _ = try await driver.client.call(
            "VBD.create",
            [
                Self.attachment(
                    vdi, to: machine, at: place, bootable: bootable, readOnly: readOnly,
                    [Mark.role: role.rawValue, Mark.guest: guest.description])
            ], "attach the \(role.rawValue) disk of guest \(guest)")
    }

    /// What `VBD.create` is given.
    static func attachment(
        _ vdi: String, to machine: String, at place: String, bootable: Bool, readOnly: Bool, _ marks: [String: String]
    ) -> XenValue {
        [
            "VM": .text(machine), "VDI": .text(vdi), "userdevice": .text(place), "bootable": .truth(bootable),
            "mode": readOnly ? "RO" : "RW", "type": "Disk", "unpluggable": true, "empty": false,
            "other_config": XenValue(marks), "qos_algorithm_type": "", "qos_algorithm_params": [:],
            "qos_supported_algorithms": [],
        ]
    }
}

/// A file of the driver's that is gone when nobody holds it any more.
final class ScratchFile: Sendable {
    let path: String

    /// A path below the state directory's `scratch` that no other file has.
    init(in stateDirectory: String, name: String) throws(DriverError) {
        let folder = stateDirectory + "/scratch"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw .failed("\(folder) cannot be made: \(error)")
        }
        path = "\(folder)/\(UUIDValue.random()).\(name)"
    }

    func write(_ bytes: [UInt8]) throws(DriverError) {
        do {
            try Data(bytes).write(to: URL(filePath: path))
        } catch {
            throw .insufficientResources("\(path) cannot be written: \(error)")
        }
    }

    deinit {
        unlink(path)
        unlink(path + ".part")
    }
}

import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// Images as disks of a repository: imported once, then cloned.
struct Images: Sendable {
    let driver: XenAPIDriver
    let repository: Repositories.Repository

    private static let prefix = "kilonova image "

    private static func name(of image: ImageID) -> String { prefix + image.description }

    /// Whether the image is kept as a disk to clone from.
    func isCached(_ image: ImageSpec) -> Bool {
        switch driver.options.caching {
        case .all: true
        case .none: false
        case .some: ["true", "1", "yes"].contains(image.properties["cache_in_nova"]?.lowercased() ?? "")
        }
    }

    /// The disk of an image, imported when it is not there. However many ask, it is imported once.
    func cached(_ image: ImageSpec, for guest: GuestID? = nil) async throws(DriverError) -> VirtualDisk {
        try await driver.imageGate.pass(image.id) { () async throws(DriverError) in
            if let found = try await self.find(image) {
                try await self.driver.mark(
                    found.reference, [Mark.lastUsed: "\(time(nil))"], of: "VDI")
                return found
            }
            let made = try await self.fill(
                image, for: guest, name: Self.name(of: image.id),
                marks: [
                    Mark.image: image.id.description, Mark.lastUsed: "\(time(nil))",
                    Mark.node: self.driver.host.nodeName,
                ])
            try await self.driver.mark(made.reference, [Mark.ready: Self.seal(made, image)], of: "VDI")
            return made
        }
    }

    /// What a complete disk bears. Its own identifier is part of it, because a clone inherits the marks of the disk
    /// that it was made from, and for a moment its name.
    private static func seal(_ disk: VirtualDisk, _ image: ImageSpec) -> String {
        "\(disk.uuid) \(image.checksum ?? image.hashValue ?? "")"
    }

    private static func isSealed(_ disk: VirtualDisk) -> Bool {
        disk.otherConfig[Mark.ready]?.hasPrefix(disk.uuid + " ") == true
    }

    /// The complete disk of an image here. What an interrupted import of this node left is removed; one without seal
    /// may be another node's that is still at it.
    private func find(_ image: ImageSpec) async throws(DriverError) -> VirtualDisk? {
        let named = try await driver.client.call(
            "VDI.get_by_name_label", [.text(Self.name(of: image.id))], "look for an image's disk"
        ).texts
        var found: VirtualDisk?
        for reference in named.sorted() {
            guard
                let record = try await driver.client.call(
                    "VDI.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe a disk")
            else { continue }
            let disk = VirtualDisk(reference, record)
            guard disk.repository == repository.reference, disk.image == image.id else { continue }
            if disk.otherConfig[Mark.ready] == Self.seal(disk, image) {
                found = found ?? disk
            } else if disk.otherConfig[Mark.ready] == nil, disk.otherConfig[Mark.node] == driver.host.nodeName {
                try await driver.destroyDisk(reference)
            }
        }
        return found
    }

    /// Makes a disk with the image's content. If it throws, nothing of it remains.
    func fill(_ image: ImageSpec, for guest: GuestID?, name: String, marks: [String: String])
        async throws(DriverError) -> VirtualDisk
    {
        guard ["bare", ""].contains(image.containerFormat) else {
            throw .imageUnacceptable(
                "The image's container format \(image.containerFormat) cannot be used on XenAPI nodes; bare can.")
        }
        let file = try ScratchFile(in: driver.host.stateDirectory, name: "image")
        try await driver.host.fetchImage(image, to: file.path)
        let found = try DiskImage.inspect(file.path, declared: image.diskFormat)
        return try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            let disk = try await driver.client.call(
                "VDI.create",
                [GuestDisks.record(name: name, in: repository.reference, bytes: found.virtualBytes, marks)],
                "make a disk for image \(image.id)"
            ).text
            rollback.onFailure { [driver] in try? await driver.destroyDisk(disk) }
            let host = driver.host
            try await driver.transfers.fill(
                disk, from: file.path, format: found.format, at: driver.place.endpoint,
                progress: { percent in
                    guard let guest else { return }
                    host.report(DriverProgress(guest: guest, phase: "importing image", percent: percent))
                })
            let record = try await driver.client.call("VDI.get_record", [.text(disk)], "describe a disk")
            return VirtualDisk(disk, record)
        }
    }

    /// Disks of the repository, all of them.
    private func disks() async throws(DriverError) -> [VirtualDisk] {
        try await driver.client.call(
            "VDI.get_all_records_where", [.text("field \"SR\"=\"\(repository.reference)\"")], "list disks"
        ).map.map { VirtualDisk($0.key, $0.value) }
    }

    /// Removes clones that an interrupted call left before they bore their guest's name: no machine holds them, and
    /// their inherited time of use is long past.
    func removeStrayClones() async throws(DriverError) {
        for disk in try await disks()
        where disk.image != nil && disk.guest == nil && disk.otherConfig[Mark.ready] != nil && !Self.isSealed(disk) {
            let used = disk.otherConfig[Mark.lastUsed].flatMap { Int($0) } ?? 0
            guard disk.record["VBDs"].list.isEmpty, time(nil) - used > 3600 else { continue }
            try await driver.destroyDisk(disk.reference)
        }
    }

    /// Every complete image here, with the guests whose root disks were cloned from it.
    func all() async throws(DriverError) -> [(disk: VirtualDisk, image: CachedImage)] {
        let disks = try await disks()
        var leaning: [ImageID: Int] = [:]
        for disk in disks where disk.guest != nil {
            if let image = disk.image { leaning[image, default: 0] += 1 }
        }
        return disks.compactMap { disk in
            guard let image = disk.image, disk.guest == nil, Self.isSealed(disk) else { return nil }
            let seconds = disk.otherConfig[Mark.lastUsed].flatMap { Int64($0) } ?? 0
            return (
                disk,
                CachedImage(
                    image: image, bytes: disk.allocatedBytes, guests: leaning[image] ?? 0,
                    lastUsed: Timestamp(seconds: seconds))
            )
        }.sorted { $0.image.image < $1.image.image }
    }
}

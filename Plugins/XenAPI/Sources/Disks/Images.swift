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
                marks: [Mark.image: image.id.description, Mark.lastUsed: "\(time(nil))"])
            try await self.driver.mark(
                made.reference, [Mark.ready: image.checksum ?? image.hashValue ?? "true"], of: "VDI")
            return made
        }
    }

    /// The complete disk of an image here. Remains of an interrupted import, and disks of an image that has changed since,
    /// are removed.
    private func find(_ image: ImageSpec) async throws(DriverError) -> VirtualDisk? {
        let named = try await driver.client.call(
            "VDI.get_by_name_label", [.text(Self.name(of: image.id))], "look for an image's disk").texts
        var found: VirtualDisk?
        for reference in named {
            guard let record = try await driver.client.call(
                "VDI.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe a disk")
            else { continue }
            let disk = VirtualDisk(reference, record)
            guard disk.repository == repository.reference, disk.image == image.id else { continue }
            if found == nil, let ready = disk.otherConfig[Mark.ready],
                ready == image.checksum ?? image.hashValue ?? "true"
            {
                found = disk
            } else {
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

    /// Every complete image here, with the guests whose root disks were cloned from it.
    func all() async throws(DriverError) -> [(disk: VirtualDisk, image: CachedImage)] {
        let records = try await driver.client.call(
            "VDI.get_all_records_where", [.text("field \"SR\"=\"\(repository.reference)\"")], "list disks").map
        let disks = records.map { VirtualDisk($0.key, $0.value) }
        var leaning: [ImageID: Int] = [:]
        for disk in disks where disk.guest != nil {
            if let image = disk.image { leaning[image, default: 0] += 1 }
        }
        return disks.compactMap { disk in
            guard let image = disk.image, disk.guest == nil, disk.otherConfig[Mark.ready] != nil else { return nil }
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

import ComputeModel
import DriverAPI

/// A virtual machine, as it is now.
struct Machine: Sendable {
    let id: GuestID
    let reference: ManagedReference
    let name: String
    let power: PowerState
    let isOurs: Bool
    let record: GuestRecord
    /// The file of its configuration.
    let configuration: DatastorePath
    let devices: [Device]
    let host: ManagedReference?
    /// Values of `extraConfig`.
    let extra: [String: String]
    let cpus: Int
    let memoryMiB: Int
    let notes: String
    let snapshot: XMLElement?

    /// The folder that holds its files.
    var folder: DatastorePath { configuration.folder }
    var disks: [Device] { devices.filter(\.isDisk) }

    /// The disk that was made from the image: the first one, unless a volume stands in its place.
    var rootDisk: Device? {
        let volumes = Set(record.volumes.values.map(\.file))
        let first = disks.min { ($0.controllerKey ?? 0, $0.unit ?? 0) < ($1.controllerKey ?? 0, $1.unit ?? 0) }
        guard let first, let file = first.file, !volumes.contains(file.description) else { return nil }
        return first
    }

    /// The device that holds a volume.
    func device(of volume: VolumeID) -> Device? {
        guard let held = record.volumes[volume] else { return nil }
        return disks.first { disk in
            if let uuid = held.diskUUID, !uuid.isEmpty, let own = disk.diskUUID { return uuid == own }
            return disk.file?.description == held.file
        }
    }

    private static let paths = [
        "name", "runtime.powerState", "runtime.host", "config.instanceUuid", "config.annotation", "config.extraConfig",
        "config.files.vmPathName", "config.hardware.device", "config.hardware.numCPU", "config.hardware.memoryMB",
        "snapshot",
    ]

    /// Looks a guest up by its identifier, anywhere in the datacenter.
    static func find(
        _ guest: GuestID, _ client: VCenterClient, _ cluster: Cluster
    ) async throws(VimFailure) -> Machine? {
        let answer = try await client.call(
            "FindByUuid", client.content.searchIndex,
            [
                cluster.datacenter.element("datacenter"), XMLElement("uuid", guest.description),
                XMLElement("vmSearch", true), XMLElement("instanceUuid", true),
            ], isRead: true)
        guard let reference = answer["returnval"]?.reference else { return nil }
        do throws(VimFailure) {
            return try await read(reference, guest, client)
        } catch where error.kind == .managedObjectNotFound {
            return nil
        }
    }

    static func read(
        _ reference: ManagedReference, _ guest: GuestID, _ client: VCenterClient
    ) async throws(VimFailure) -> Machine {
        Machine(try await client.properties(paths, of: reference), guest)
    }

    private init(_ properties: ObjectProperties, _ guest: GuestID) {
        id = guest
        reference = properties.reference
        name = properties.string("name") ?? properties.reference.value
        power = PowerState(vim: properties.string("runtime.powerState") ?? "")
        notes = properties.string("config.annotation") ?? ""
        isOurs = GuestMark.isThere(in: notes, for: guest)
        record = GuestRecord(properties["config.extraConfig"])
        configuration = DatastorePath(properties.string("config.files.vmPathName") ?? "") ?? DatastorePath("", "")
        devices = (properties["config.hardware.device"]?.children ?? []).map { Device($0) }
        host = properties["runtime.host"]?.reference
        var extra: [String: String] = [:]
        for option in properties["config.extraConfig"]?.children ?? [] {
            if let key = option.string("key") { extra[key] = option.string("value") ?? "" }
        }
        self.extra = extra
        // Far above what vSphere allows: a wrong number must not become a long loop.
        cpus = min(4096, max(0, properties.int("config.hardware.numCPU") ?? 0))
        memoryMiB = max(0, properties.int("config.hardware.memoryMB") ?? 0)
        snapshot = properties["snapshot"]
    }
}

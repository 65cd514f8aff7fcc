import ComputeModel
import DriverAPI

/// Gives guests the disks that VMware's volume driver keeps in shadow machines.
struct Volumes: AttachingVolumes, ExtendingVolumes {
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    func connector() async throws(DriverError) -> VolumeConnector {
        let driver = try parts.driver()
        return VolumeConnector(
            host: driver.host.nodeName, ip: driver.client.endpoint.host, kinds: [.vmdk])
    }

    func attach(_ volume: VolumeSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            try await driver.attach(volume, to: machine.reference, guest)
        }
    }

    func detach(_ volume: VolumeID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            guard machine.record.volumes[volume] != nil else { return }
            var record = machine.record
            let key = GuestRecord.volumeKey(volume)
            record.entries[key] = nil
            let removal = machine.device(of: volume).map { [DeviceChange.remove($0)] } ?? []
            try await driver.reconfigure(machine, removal + record.options(removing: [key]))
        }
    }

    func volumes(of guest: GuestID) async throws(DriverError) -> Set<VolumeID> {
        let driver = try parts.driver()
        return try await driver.read(guest) { (machine) async throws(VimFailure) in
            Set(machine.record.volumes.keys.filter { machine.device(of: $0) != nil })
        }
    }

    func extend(
        _ volume: VolumeID, of guest: GuestID, toGiB sizeGiB: Int, _ call: DriverCall
    ) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            guard let device = machine.device(of: volume) else {
                throw .driver(.refused("guest \(guest) does not hold volume \(volume)"))
            }
            guard (device.kib ?? 0) < sizeGiB << 20 else { return }
            try await driver.reconfigure(machine, [DeviceChange.edit(device.resized(toKiB: sizeGiB << 20))])
        }
    }
}

extension VMwareDriver {
    /// Attaches a volume and notes it in the guest's record, in one step.
    func attach(
        _ volume: VolumeSpec, to reference: ManagedReference, _ guest: GuestID
    ) async throws(VimFailure) {
        guard case .vmdk(let shadowName, _) = volume.connection else {
            throw .driver(
                .notSupported("volumes connected by \(volume.connection.kind.rawValue) on vSphere; only vmdk"))
        }
        try Self.check(volume)
        let machine = try await Machine.read(reference, guest, client)
        if machine.device(of: volume.id) != nil { return }
        let shadow = ManagedReference("VirtualMachine", shadowName)
        let found: ObjectProperties
        do throws(VimFailure) {
            found = try await client.properties(["config.hardware.device"], of: shadow)
        } catch where error.kind == .managedObjectNotFound {
            throw .driver(.refused("vCenter has no machine \(shadowName) that would keep volume \(volume.id)"))
        }
        let disks = (found["config.hardware.device"]?.children ?? []).map { Device($0) }.filter(\.isDisk)
        guard disks.count == 1, let disk = disks.first, let file = disk.file else {
            throw .driver(
                .refused("the machine \(shadowName) of volume \(volume.id) has \(disks.count) disks, not one"))
        }
        let place = try Self.place(for: machine, guest)
        var record = machine.record
        record.hold(volume.id, HeldVolume(file: file.description, diskUUID: disk.diskUUID, shadow: shadowName))
        let device = DeviceChange.disk(
            key: -501, controller: place.controller, unit: place.unit, file: file.description, kib: disk.kib)
        try await reconfigure(machine, place.changes + [DeviceChange.add(device)] + record.options())
    }

    private static func check(_ volume: VolumeSpec) throws(VimFailure) {
        let what: String? =
            if volume.encryption != nil {
                "volumes that the hypervisor decrypts"
            } else if volume.isShared {
                "volumes that several guests hold"
            } else if volume.isReadOnly {
                "volumes that a guest may only read"
            } else if volume.tag != nil {
                "tags of volumes"
            } else if !volume.limits.isEmpty {
                "limits on volumes"
            } else if let bus = volume.bus, bus != "scsi" {
                "volumes on the bus '\(bus)'"
            } else {
                nil
            }
        if let what { throw .driver(.notSupported("\(what) on vSphere (volume \(volume.id))")) }
    }

    /// Where another disk can be plugged in, with a further SCSI controller if need be.
    static func place(
        for machine: Machine, _ guest: GuestID
    ) throws(VimFailure) -> (controller: Int, unit: Int, changes: [XMLElement]) {
        let controllers = machine.devices.filter(\.isSCSIController).sorted { $0.key < $1.key }
        for controller in controllers {
            if let unit = machine.devices.freeUnit(on: controller.key, isSCSI: true) {
                return (controller.key, unit, [])
            }
        }
        guard controllers.count < 4 else { throw .driver(.refused("guest \(guest) has as many disks as it can have")) }
        let adapter = controllers.first?.adapter ?? .lsiLogic
        let controller = DeviceChange.controller(adapter, key: -101, bus: controllers.count)
        return (-101, 0, [DeviceChange.add(controller)])
    }
}

extension Device {
    /// The disk as a change names it that gives it another size.
    func resized(toKiB kib: Int) -> XMLElement {
        var device = specification
        device.children.removeAll { $0.name == "capacityInBytes" }
        for index in device.children.indices where device.children[index].name == "capacityInKB" {
            device.children[index].text = String(kib)
        }
        return device
    }
}

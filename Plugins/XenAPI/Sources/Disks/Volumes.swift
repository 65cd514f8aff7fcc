import ComputeModel
import DriverAPI

/// Volumes of the volume service as disks of the pool: each iSCSI target becomes a repository with the volume's own
/// identifier, so that it is found again whatever the target's name.
struct Volumes: Sendable {
    let driver: XenAPIDriver

    private var client: XenClient { driver.client }

    /// Refuses what cannot be attached, before anything is changed.
    static func check(_ volume: VolumeSpec) throws(DriverError) {
        guard case .iscsi = volume.connection else {
            throw .notSupported(
                "Volumes reached by \(volume.connection.kind.rawValue) cannot be attached on XenAPI nodes; iscsi can.")
        }
        if volume.encryption != nil { throw .notSupported("Encrypted volumes cannot be attached on XenAPI nodes.") }
        if volume.isShared { throw .notSupported("Volumes of several servers cannot be attached on XenAPI nodes.") }
        if !volume.limits.isEmpty { throw .notSupported("Limits on volumes are not possible on XenAPI nodes.") }
        if let bus = volume.bus, !["xen", "ide", "scsi", "virtio"].contains(bus) {
            throw .notSupported("A volume on the bus \(bus) is not possible on XenAPI nodes.")
        }
    }

    /// The volume's disk, connected on this host; connects it where it is not.
    func connect(_ volume: VolumeSpec) async throws(DriverError) -> String {
        guard case .iscsi(let target) = volume.connection else {
            throw .notSupported("volumes reached by \(volume.connection.kind.rawValue)")
        }
        let known = try await client.call("SR.get_by_uuid", [.text(volume.id.description)], accepting: ["UUID_INVALID"])
        if let reference = known?.reference {
            // An attempt that was cut short may have left it without the mark by which it is removed one day.
            try await driver.mark(reference, [Mark.volume: volume.id.description], of: "SR")
            try await plug(reference, target)
            return try await disk(in: reference, lun: target.lun, of: volume.id)
        }
        return try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            let repository = try await client.call(
                "SR.introduce",
                [
                    .text(volume.id.description), .text("kilonova volume \(volume.id)"), "", "iscsi", "", .truth(true),
                    [:],
                ], "introduce the volume \(volume.id)"
            ).text
            rollback.onFailure { await self.forget(repository: repository) }
            try await driver.mark(repository, [Mark.volume: volume.id.description], of: "SR")
            try await plug(repository, target)
            return try await disk(in: repository, lun: target.lun, of: volume.id)
        }
    }

    /// Connects this host to a repository.
    private func plug(_ repository: String, _ target: ISCSITarget) async throws(DriverError) {
        for connection in try await connections(of: repository) where connection.host == driver.place.reference {
            if !connection.isAttached {
                _ = try await client.call("PBD.plug", [.text(connection.reference)], "connect a volume")
            }
            return
        }
        let made = try await client.call(
            "PBD.create",
            [
                [
                    "host": .text(driver.place.reference), "SR": .text(repository),
                    "device_config": XenValue(Self.deviceConfig(target)), "other_config": [:],
                ]
            ], "connect a volume"
        ).text
        _ = try await client.call("PBD.plug", [.text(made)], "connect a volume")
    }

    /// What the server's iSCSI driver wants to know.
    static func deviceConfig(_ target: ISCSITarget) -> [String: String] {
        var host = Substring(target.portal)
        var port: Substring = "3260"
        if let colon = target.portal.lastIndex(of: ":"), !target.portal.hasSuffix("]") {
            host = target.portal[..<colon]
            port = target.portal[target.portal.index(after: colon)...]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        var config = ["target": String(host), "port": String(port), "targetIQN": target.name, "LUNid": "\(target.lun)"]
        if let user = target.user { config["chapuser"] = user }
        if let password = target.password { config["chappassword"] = password }
        return config
    }

    private func disk(in repository: String, lun: Int, of volume: VolumeID) async throws(DriverError) -> String {
        _ = try await client.call("SR.scan", [.text(repository)], "look for the volume \(volume)")
        let disks = try await client.call("SR.get_VDIs", [.text(repository)], "look for the volume \(volume)").texts
        for disk in disks {
            let config = try await client.call("VDI.get_sm_config", [.text(disk)], "look for the volume \(volume)")
            if config["LUNid"].text == "\(lun)" { return disk }
        }
        // Some servers do not say the number; then a target with one unit leaves no doubt.
        if disks.count == 1, let only = disks.first { return only }
        throw .refused("The target of volume \(volume) has no logical unit \(lun).")
    }

    struct Connection: Sendable {
        let reference: String
        let host: String
        let isAttached: Bool
    }

    /// The connections of hosts to a repository.
    func connections(of repository: String) async throws(DriverError) -> [Connection] {
        var found: [Connection] = []
        let all = try await client.call(
            "SR.get_PBDs", [.text(repository)], accepting: ["HANDLE_INVALID"], "describe a volume's connection")
        for reference in (all ?? .nothing).texts {
            let record = try await client.call(
                "PBD.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe a volume's connection")
            if let record {
                found.append(
                    Connection(
                        reference: reference, host: record["host"].text, isAttached: record["currently_attached"].truth)
                )
            }
        }
        return found
    }

    /// Ends this host's connection to the repository of a volume's disk, and with the last one the repository, unless
    /// another machine still holds the disk.
    func forgetRepository(ofDisk disk: String) async throws(DriverError) {
        let record = try await client.call(
            "VDI.get_record", [.text(disk)], accepting: ["HANDLE_INVALID"], "describe a volume's disk")
        guard let record, record["VBDs"].list.isEmpty else { return }
        try await release(repository: record["SR"].text)
    }

    /// Ends this host's connection to a repository, and the repository with the last connection.
    func release(repository: String) async throws(DriverError) {
        let marks = try await client.call(
            "SR.get_other_config", [.text(repository)], accepting: ["HANDLE_INVALID"], "describe a volume")
        guard let marks, marks[Mark.volume] != .nothing else { return }
        var rest = 0
        for connection in try await connections(of: repository) {
            guard connection.host == driver.place.reference else {
                rest += connection.isAttached ? 1 : 0
                continue
            }
            try await driver.eventually("disconnect a volume") { () async throws(DriverError) in
                try await self.client.ask("PBD.unplug", [.text(connection.reference)])
            }
            try await client.call(
                "PBD.destroy", [.text(connection.reference)], accepting: ["HANDLE_INVALID"], "disconnect a volume")
        }
        guard rest == 0 else { return }
        try await client.call("SR.forget", [.text(repository)], accepting: ["HANDLE_INVALID"], "forget a volume")
    }

    private func forget(repository: String) async {
        do throws(DriverError) {
            try await release(repository: repository)
            // A repository without its mark is ours all the same: it was made a moment ago.
            _ = try await client.ask("SR.forget", [.text(repository)])
        } catch {
            driver.host.log(.warning, "undoing the connection of a volume failed", ["error": error.message])
        }
    }
}

extension XenAPIDriver {
    /// Connects a volume and gives it to a machine.
    ///
    /// - Returns: the machine's disk.
    @discardableResult
    func connect(_ volume: VolumeSpec, to guest: GuestID, _ machine: String, _ places: inout DiskPlaces)
        async throws(DriverError) -> String
    {
        let place = volume.bootIndex == 0 ? try places.take("0") : try places.take(forDevice: volume.deviceName)
        let disk = try await Volumes(driver: self).connect(volume)
        var marks = [Mark.volume: volume.id.description, Mark.guest: guest.description]
        if let tag = volume.tag { marks[Mark.tag] = tag }
        do throws(DriverError) {
            return try await client.call(
                "VBD.create",
                [
                    GuestDisks.attachment(
                        disk, to: machine, at: place, bootable: volume.bootIndex == 0, readOnly: volume.isReadOnly,
                        marks)
                ], "attach the volume \(volume.id)"
            ).text
        } catch {
            let failure = error
            await Task { try? await Volumes(driver: self).forgetRepository(ofDisk: disk) }.value
            throw failure
        }
    }
}

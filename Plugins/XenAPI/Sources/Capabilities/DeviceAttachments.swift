import ComputeModel
import DriverAPI

/// Gives volumes to guests that exist.
struct VolumeAttachments: AttachingVolumes {
    let driver: XenAPIDriver

    func connector() async throws(DriverError) -> VolumeConnector {
        let host = try await driver.client.call("host.get_record", [.text(driver.place.reference)], "describe the host")
        let initiator =
            host["iscsi_iqn"].text.isEmpty
            ? host["other_config"]["iscsi_iqn"].text : host["iscsi_iqn"].text
        return VolumeConnector(
            host: host["hostname"].text, ip: host["address"].text, initiator: initiator.isEmpty ? nil : initiator,
            multipath: host["multipathing"].truth, kinds: [.iscsi])
    }

    func attach(_ volume: VolumeSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try Volumes.check(volume)
        try await driver.change(guest, call) { machine async throws(DriverError) in
            let disks = try await driver.disks(of: machine)
            if let held = disks.first(where: { $0.volume == volume.id }) {
                // A repeat of a call that was interrupted before the device was plugged.
                if machine.isRunning, !held.isAttached { try await plug(held.reference, volume.id) }
                return
            }
            var places = DiskPlaces(taken: disks.map(\.place))
            let disk = try await driver.connect(volume, to: guest, machine.reference, &places)
            guard machine.isRunning else { return }
            do throws(DriverError) {
                try await plug(disk, volume.id)
            } catch {
                let failure = error
                await Task {
                    try? await self.remove(MachineDisk(disk, .nothing), isRunning: true)
                }.value
                throw failure
            }
        }
    }

    private func plug(_ disk: String, _ volume: VolumeID) async throws(DriverError) {
        try await driver.client.call(
            "VBD.plug", [.text(disk)], accepting: ["DEVICE_ALREADY_ATTACHED"], "give the guest the volume \(volume)")
    }

    func detach(_ volume: VolumeID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.change(guest, call) { machine async throws(DriverError) in
            for disk in try await driver.disks(of: machine) where disk.volume == volume {
                try await remove(disk, isRunning: !machine.isOff)
            }
            // Also after a call that was interrupted when the machine no longer held the volume.
            let known = try await driver.client.call(
                "SR.get_by_uuid", [.text(volume.description)], accepting: ["UUID_INVALID"], "look for a volume")
            guard let repository = known?.reference else { return }
            let disks = try await driver.client.call("SR.get_VDIs", [.text(repository)], "look for a volume").texts
            for disk in disks {
                let holders = try await driver.client.call("VDI.get_VBDs", [.text(disk)], "look for a volume").list
                if !holders.isEmpty { return }
            }
            try await Volumes(driver: driver).release(repository: repository)
        }
    }

    /// Takes a disk from a machine. The guest may take its time to let go.
    private func remove(_ disk: MachineDisk, isRunning: Bool) async throws(DriverError) {
        let record = try await driver.client.call(
            "VBD.get_record", [.text(disk.reference)], accepting: ["HANDLE_INVALID"], "describe a disk")
        guard let record else { return }
        if isRunning {
            try await driver.unplug("VBD.unplug", disk.reference)
        }
        try await driver.eventually("detach a volume") { () async throws(DriverError) in
            try await driver.client.ask("VBD.destroy", [.text(disk.reference)])
        }
        if let vdi = record["VDI"].reference { try await Volumes(driver: driver).forgetRepository(ofDisk: vdi) }
    }

    func volumes(of guest: GuestID) async throws(DriverError) -> Set<VolumeID> {
        let machine = try await driver.ourMachine(guest)
        return Set(try await driver.disks(of: machine).compactMap(\.volume))
    }
}

extension XenAPIDriver {
    /// Unplugs a device of a running machine: asks the guest a few times, then says that it is busy.
    func unplug(_ method: String, _ reference: String) async throws(DriverError) {
        for attempt in 1...5 {
            guard case .failure(let failure) = try await client.ask(method, [.text(reference)]) else { return }
            switch failure.code {
            case "DEVICE_ALREADY_DETACHED", "HANDLE_INVALID", "VM_BAD_POWER_STATE": return
            case "DEVICE_DETACH_REJECTED", "DEVICE_DETACH_TIMEOUT", "OTHER_OPERATION_IN_PROGRESS":
                if attempt == 5 {
                    throw .busy("the guest does not give the device back: \(failure.text)")
                }
            default: throw failure.driverError("take a device from the guest")
            }
            try await pause(.milliseconds(300))
        }
    }
}

/// Gives network interfaces to guests that exist.
struct InterfaceAttachments: AttachingInterfaces {
    let driver: XenAPIDriver

    private func interfaces(of machine: Machine) async throws(DriverError) -> [(reference: String, record: XenValue)] {
        var found: [(reference: String, record: XenValue)] = []
        for reference in machine.interfaces {
            let record = try await driver.client.call(
                "VIF.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe an interface")
            if let record { found.append((reference, record)) }
        }
        return found
    }

    func attach(_ interface: NetworkInterfaceSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.change(guest, call) { machine async throws(DriverError) in
            let port = interface.portID.description
            var vif = try await interfaces(of: machine).first { $0.record["other_config"][Mark.port].text == port }
            if vif?.record["currently_attached"].truth == true || (vif != nil && !machine.isRunning) { return }
            let networks = Networks(client: driver.client, option: driver.options.integrationNetwork)
            if vif == nil {
                let network = try await networks.find(for: interface)
                let made = try await networks.add(interface, to: machine.reference, on: network, device: nil)
                vif = (made, .nothing)
            }
            guard machine.isRunning, let vif else { return }
            do throws(DriverError) {
                try await driver.client.call(
                    "VIF.plug", [.text(vif.reference)], accepting: ["DEVICE_ALREADY_ATTACHED"],
                    "give the guest the port \(interface.portID)")
            } catch {
                let failure = error
                await Task { _ = try? await driver.client.ask("VIF.destroy", [.text(vif.reference)]) }.value
                throw failure
            }
        }
    }

    func detach(_ port: PortID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.change(guest, call) { machine async throws(DriverError) in
            for vif in try await interfaces(of: machine)
            where vif.record["other_config"][Mark.port].text == port.description {
                if !machine.isOff { try await driver.unplug("VIF.unplug", vif.reference) }
                try await driver.client.call(
                    "VIF.destroy", [.text(vif.reference)], accepting: ["HANDLE_INVALID"], "detach the port \(port)")
            }
        }
    }

    func interfaces(of guest: GuestID) async throws(DriverError) -> Set<String> {
        Set(try await interfaces(of: try await driver.ourMachine(guest)).map { $0.record["MAC"].text.lowercased() })
    }
}

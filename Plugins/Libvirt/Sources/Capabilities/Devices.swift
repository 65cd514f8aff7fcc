import ComputeModel
import DriverAPI

extension LibvirtDriver {
    /// Asks a running guest to give a device back and waits until it has, again and again.
    ///
    /// libvirt takes the device out of the live document when QEMU says that the guest let it go.
    ///
    /// - Parameter find: the device in a live document; `nil` when it is gone.
    /// - Throws: ``DriverError/busy(_:)`` when the guest keeps it.
    func unplug(
        _ what: String, from guest: GuestID, _ find: (GuestDocument) -> XMLElement?
    ) async throws(DriverError) {
        let clock = ContinuousClock()
        for _ in 1...options.detachAttempts {
            guard let device = find(try await document(of: guest, .live)) else { return }
            try await session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.unplug(device)
            }
            let deadline = clock.now + options.detachTimeout
            repeat {
                guard try await isActive(guest), find(try await document(of: guest, .live)) != nil else { return }
                try await pause()
            } while clock.now < deadline
        }
        throw .busy(
            "guest \(guest) did not give back \(what) in \(options.detachAttempts) attempts of "
                + "\(options.detachTimeout)")
    }

    private func isActive(_ guest: GuestID) async throws(DriverError) -> Bool {
        try await session.read(guest) { connection throws(LibvirtFailure) in
            try connection.domain(guest)?.isActive ?? false
        }
    }

    /// Plugs a device into a running guest; returns it as the guest has it, with its place on the bus.
    ///
    /// - Parameter find: the device in a live document.
    func plug(
        _ device: XMLElement, into guest: GuestID, _ find: (GuestDocument) -> XMLElement?
    ) async throws(DriverError) -> XMLElement {
        if let there = find(try await document(of: guest, .live)) { return there }
        do throws(DriverError) {
            try await session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.plug(device)
            }
        } catch {
            // A bus that is full, in libvirt's words.
            let words = ["No more available PCI", "no available slot", "No available IDE", "No more available"]
            if words.contains(where: { error.message.contains($0) }) { throw .insufficientResources(error.message) }
            throw error
        }
        return find(try await document(of: guest, .live)) ?? device
    }

    /// Takes a device out of a running guest that has just got it: undo, which tries once and does not insist.
    func takeBack(_ device: XMLElement, from guest: GuestID) async {
        do throws(DriverError) {
            try await session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.unplug(device)
            }
        } catch {
            host.log(
                .warning, "undoing an attachment failed",
                ["guest.id": guest.description, "device": device.name, "error": error.message])
        }
    }
}

/// Gives interfaces to guests.
struct Interfaces: AttachingInterfaces {
    let driver: LibvirtDriver

    func attach(
        _ interface: NetworkInterfaceSpec, to guest: GuestID, _ call: DriverCall
    ) async throws(DriverError) {
        guard interface.binding.kind == .bridge else {
            throw .notSupported("interfaces bound as \(interface.binding.kind.rawValue): only to a bridge")
        }
        try await driver.changing(guest, call) { held async throws(DriverError) in
            guard !held.isSaved else { throw .refused("guest \(guest) is suspended; resume it first") }
            let kept = try await driver.keptDocument(guest)
            let other = kept.interface(address: interface.macAddress)
            let isKept = kept.interface(of: interface.portID) != nil
            if other != nil, !isKept {
                throw .refused("guest \(guest) has another interface with the address \(interface.macAddress)")
            }
            let twin = kept.interfaces.first
            guard
                var device = InterfaceElement.make(
                    interface, model: twin?.child("model")?["type"] ?? "virtio", bandwidth: twin?.child("bandwidth"))
            else { throw .notSupported("interfaces bound as \(interface.binding.kind.rawValue)") }
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                if held.isActive {
                    let plugged = try await driver.plug(device, into: guest) { $0.interface(of: interface.portID) }
                    rollback.onFailure { await driver.takeBack(plugged, from: guest) }
                    if let place = plugged.child("address") { device.add(place) }
                }
                if isKept { return }
                let new = device
                try await driver.changeKept(guest) { document throws(DriverError) in document.add(new) }
            }
        }
    }

    func detach(_ port: PortID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            guard !held.isSaved else { throw .refused("guest \(guest) is suspended; resume it first") }
            if held.isActive {
                try await driver.unplug("the interface of port \(port)", from: guest) { $0.interface(of: port) }
            }
            guard try await driver.keptDocument(guest).interface(of: port) != nil else { return }
            try await driver.changeKept(guest) { document throws(DriverError) in
                guard let address = document.interface(of: port)?.child("mac")?["address"] else { return }
                document.remove { $0.name == "interface" && $0.child("mac")?["address"] == address }
            }
        }
    }

    func interfaces(of guest: GuestID) async throws(DriverError) -> Set<String> {
        guard case .ours = try await driver.presence(of: guest) else { throw .noSuchGuest(guest) }
        return try await driver.document(of: guest, .live).macAddresses
    }
}

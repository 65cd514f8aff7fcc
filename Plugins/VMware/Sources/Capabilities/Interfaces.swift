import ComputeModel
import DriverAPI

/// Plugs network cards into guests and out of them.
struct Interfaces: AttachingInterfaces {
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    func attach(_ interface: NetworkInterfaceSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            guard interface.binding.kind != .bridge else {
                throw .driver(.notSupported("ports bound as \(interface.binding.kind.rawValue) on vSphere"))
            }
            guard interface.tag == nil else { throw .driver(.notSupported("tags of interfaces on vSphere")) }
            let mac = interface.macAddress.lowercased()
            if machine.devices.contains(where: { $0.mac == mac }) { return }
            let cards = machine.devices.filter { $0.mac != nil }
            guard cards.count < 10 else {
                throw .driver(.insufficientResources("guest \(guest) has ten network cards, as many as vSphere allows"))
            }
            let card = try await driver.networkCard(interface, cards.first?.type ?? "VirtualVmxnet3", key: -201)
            var record = machine.record
            record.entries[GuestRecord.portKey(interface.portID)] = mac
            try await driver.reconfigure(machine, [DeviceChange.add(card)] + record.options())
        }
    }

    func detach(_ port: PortID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            let key = GuestRecord.portKey(port)
            guard let mac = machine.record.entries[key]?.lowercased() else { return }
            var record = machine.record
            record.entries[key] = nil
            let removal = machine.devices.filter { $0.mac == mac }.map { DeviceChange.remove($0) }
            try await driver.reconfigure(machine, removal + record.options(removing: [key]))
        }
    }

    func interfaces(of guest: GuestID) async throws(DriverError) -> Set<String> {
        let driver = try parts.driver()
        return try await driver.read(guest) { (machine) async throws(VimFailure) in
            Set(machine.devices.compactMap(\.mac))
        }
    }
}

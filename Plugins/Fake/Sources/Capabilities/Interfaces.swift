import ComputeModel
import DriverAPI

/// Gives interfaces to guests.
struct Interfaces: AttachingInterfaces {
    let hypervisor: Hypervisor

    func attach(_ interface: NetworkInterfaceSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let mutation = hypervisor.mutation
        let subject = interface.portID.description
        try await hypervisor.change(.attachInterface, guest, call, about: subject) { (guest) throws(DriverError) in
            guard interface.binding.kind == .unbound else {
                throw .notSupported(
                    "port \(interface.portID) is bound as \(interface.binding.kind.rawValue), not unbound")
            }
            guard !guest.interfaces.contains(where: { $0.port == interface.portID }) else { return }
            guard guest.interfaces.count < GuestRules.interfacesMax else {
                throw .insufficientResources(
                    "guest \(guest.id) has \(guest.interfaces.count) interfaces and no room for another")
            }
            var attached = AttachedInterface(interface)
            if mutation == .attachInterfaceWrongMAC { attached.macAddress = "52:54:00:00:00:01" }
            guest.interfaces.append(attached)
        }
    }

    func detach(_ port: PortID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let mutation = hypervisor.mutation
        let subject = port.description
        try await hypervisor.change(.detachInterface, guest, call, about: subject) { (guest) throws(DriverError) in
            if mutation != .detachInterfaceNoop { guest.interfaces.removeAll { $0.port == port } }
        }
    }

    func interfaces(of guest: GuestID) async throws(DriverError) -> Set<String> {
        try await hypervisor.look(.interfaces, guest) { Set($0.interfaces.map(\.macAddress)) }
    }
}

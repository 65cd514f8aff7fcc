import ComputeModel
import DriverAPI

/// Turns the fake node off and on. Guests that ran are off afterwards, as after any power cut; the driver itself stays
/// and says that the node is off.
struct HostPower: ControllingHostPower {
    let hypervisor: Hypervisor

    func reboot() async throws(DriverError) {
        try await hypervisor.enter(.hostReboot)
        try stopGuests()
        hypervisor.power.setOff(true)
        hypervisor.power.setOff(false)
    }

    func shutDownHost() async throws(DriverError) {
        try await hypervisor.enter(.hostShutDown)
        try stopGuests()
        try turn(off: true)
    }

    func startUp() async throws(DriverError) {
        guard hypervisor.world.read({ $0.node.isOff }) else { return try await hypervisor.enter(.hostStartUp) }
        try await hypervisor.rehearse(.hostStartUp, "the node", [:])
        try turn(off: false)
    }

    private func turn(off isOff: Bool) throws(DriverError) {
        try hypervisor.world.change { state, change throws(DriverError) in
            change.node = state.node
            change.node?.isOff = isOff
        }
        hypervisor.power.setOff(isOff)
    }

    private func stopGuests() throws(DriverError) {
        for id in hypervisor.world.read({ $0.guests.values.filter(\.isUp).map(\.id) }) {
            let isStopped = try hypervisor.world.change { state, change throws(DriverError) in
                guard var guest = state.guests[id], guest.isUp else { return false }
                guest.stop()
                change.put = guest
                return true
            }
            if isStopped { hypervisor.told(id, .shutdown) }
        }
    }
}

/// Keeps new guests away from the node. The fake hypervisor moves nobody: guests must be gone or off before.
struct Maintenance: MaintainingHost {
    let hypervisor: Hypervisor

    func setMaintenance(_ isWanted: Bool, _ call: DriverCall) async throws(DriverError) {
        try await hypervisor.enter(.setMaintenance)
        let ignoresGuests = hypervisor.mutation == .maintenanceIgnoresGuests
        try hypervisor.world.change { state, change throws(DriverError) in
            guard state.node.isInMaintenance != isWanted else { return }
            let running = state.guests.values.count { $0.isUp && $0.isOurs }
            guard !isWanted || running == 0 || ignoresGuests else {
                throw .refused("\(running) guests run on the node: maintenance cannot begin")
            }
            change.node = state.node
            change.node?.isInMaintenance = isWanted
        }
    }

    func isInMaintenance() async throws(DriverError) -> Bool {
        try await hypervisor.enter(.isInMaintenance)
        return hypervisor.world.read { $0.node.isInMaintenance }
    }
}

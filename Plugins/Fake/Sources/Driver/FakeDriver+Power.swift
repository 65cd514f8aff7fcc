import ComputeModel
import DriverAPI

extension FakeDriver {
    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        try await hypervisor.change(.powerOn, guest, call) { (guest) throws(DriverError) in
            switch guest.power {
            case .running:
                if hypervisor.mutation == .powerOnRunningThrows {
                    throw .refused("guest \(guest.id) runs already")
                }
            case .paused: guest.power = .running
            case .suspended: guest.wake(at: hypervisor.now())
            case .shutdown, .crashed, .noState: guest.boot(at: hypervisor.now())
            }
        }
    }

    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.powerOff, guest, call) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            try await hypervisor.rehearse(.powerOff, "guest \(guest)", known.metadata)
            try await hypervisor.pressPowerButton(known, within: grace)
            try hypervisor.commit(.powerOff, guest, call) { (guest, _) throws(DriverError) in
                if hypervisor.mutation != .powerOffNoop { guest.stop() }
            }
            if hypervisor.mutation == .crossTalk { try hypervisor.stopAnother(than: guest) }
            return ""
        }
    }

    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)
    {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.reboot, guest, call) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            try await hypervisor.rehearse(.reboot, "guest \(guest)", known.metadata)
            var isIgnored = false
            if kind == .soft {
                let heard = try await hypervisor.pressPowerButton(known, within: grace)
                isIgnored = !heard && hypervisor.mutation == .softRebootNotHard
            }
            if hypervisor.mutation == .hardRebootLeavesStopped, known.power != .running { isIgnored = true }
            try hypervisor.commit(.reboot, guest, call) { (guest, _) throws(DriverError) in
                if isIgnored { return }
                if guest.isUp { guest.console.add("going down for reboot") }
                guest.boot(at: hypervisor.now())
            }
            return ""
        }
    }
}

extension Hypervisor {
    /// Asks a running guest to go down. Guests obey at once, but for those whose metadata says `fake:deaf` = `true`:
    /// then the grace passes.
    ///
    /// - Returns: whether the guest heard.
    @discardableResult
    func pressPowerButton(_ guest: FakeGuest, within grace: Duration) async throws(DriverError) -> Bool {
        guard guest.power == .running, guest.isDeaf else { return guest.power == .running }
        if grace > .zero {
            try await power.sleep(for: grace)
            try await power.pass()
        }
        return false
    }

    fileprivate func stopAnother(than guest: GuestID) throws(DriverError) {
        let other = world.read { state in
            state.guests.values.filter { $0.id != guest && $0.isUp }.map(\.id).min()
        }
        guard let other else { return }
        try world.change { state, change throws(DriverError) in
            change.put = state.guests[other]
            change.put?.stop()
        }
        told(other, .shutdown)
    }
}

extension FakeGuest {
    /// Brings a suspended guest back to where it was; one whose memory is lost is started anew.
    mutating func wake(at now: Timestamp) {
        guard memory == .saved else { return boot(at: now) }
        power = .running
        memory = .held
        console.add("resumed")
    }
}

import ComputeModel
import DriverAPI

/// Freezes guests in memory.
struct Pausing: PausingGuests {
    let hypervisor: Hypervisor

    func pause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let mutation = hypervisor.mutation
        try await hypervisor.change(.pause, guest, call) { (guest) throws(DriverError) in
            switch guest.power {
            case .running: guest.power = .paused
            case .paused: break
            case .suspended, .shutdown, .crashed, .noState:
                if mutation == .pauseStoppedAccepted { return }
                throw .refused("guest \(guest.id) does not run: it cannot be paused")
            }
            if mutation == .pauseKills { guest.stop() }
        }
    }

    func unpause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let mutation = hypervisor.mutation
        try await hypervisor.change(.unpause, guest, call) { (guest) throws(DriverError) in
            switch guest.power {
            case .running: break
            case .paused: if mutation != .unpauseNoop { guest.power = .running }
            case .suspended, .shutdown, .crashed, .noState:
                throw .refused("guest \(guest.id) is off: it cannot run on")
            }
        }
    }
}

/// Saves guests' memory to disk.
struct Suspending: SuspendingGuests {
    let hypervisor: Hypervisor

    func suspend(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let mutation = hypervisor.mutation
        try await hypervisor.change(.suspend, guest, call) { (guest) throws(DriverError) in
            switch guest.power {
            case .running, .paused:
                guest.power = .suspended
                if mutation != .suspendKeepsMemory { guest.memory = .saved }
            case .suspended: break
            case .shutdown, .crashed, .noState:
                throw .refused("guest \(guest.id) is off: it has no memory to save")
            }
        }
    }

    func resume(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let (mutation, now) = (hypervisor.mutation, hypervisor.now())
        try await hypervisor.change(.resume, guest, call) { (guest) throws(DriverError) in
            if mutation == .resumeNoop { return }
            switch guest.power {
            case .running: break
            case .paused: guest.power = .running
            case .suspended:
                if mutation == .suspendKeepsMemory || mutation == .resumeBootsAnew {
                    return guest.boot(at: now)
                }
                guest.wake(at: now)
            case .shutdown, .crashed, .noState: guest.boot(at: now)
            }
        }
    }
}

/// Interrupts guests for a crash dump.
struct CrashDumps: TriggeringCrashDumps {
    let hypervisor: Hypervisor

    func triggerCrashDump(of guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await hypervisor.change(.triggerCrashDump, guest, call) { (guest) throws(DriverError) in
            guard guest.power == .running else {
                throw .refused("guest \(guest.id) does not run: it cannot be interrupted")
            }
            guest.console.add("non-maskable interrupt")
        }
    }
}

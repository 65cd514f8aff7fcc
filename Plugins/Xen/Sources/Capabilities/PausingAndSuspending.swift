import CXen
import ComputeModel
import DriverAPI
import DriverSupport

/// Freezes domains.
struct Pausing: PausingGuests {
    let driver: XenDriver

    func pause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            if held.power == .paused { return }
            guard held.power == .running, let domain = held.domain else {
                throw .refused("guest \(guest) is \(held.power) and cannot be paused")
            }
            try await driver.ask { xen throws(XenFailure) in try xen.pause(domain) }
            driver.note(.paused, of: guest)
        }
    }

    func unpause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            if held.power == .running { return }
            guard held.power == .paused, let domain = held.domain else {
                throw .refused("guest \(guest) is \(held.power) and cannot be unpaused")
            }
            try await driver.ask { xen throws(XenFailure) in try xen.unpause(domain) }
            driver.note(.running, of: guest)
        }
    }
}

/// Writes guests' memory to disk and brings it back.
struct Suspending: SuspendingGuests {
    let driver: XenDriver

    func suspend(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            if held.power == .suspended { return }
            guard held.power == .running || held.power == .paused, let domain = held.domain else {
                throw .refused("guest \(guest) is \(held.power) and cannot be suspended")
            }
            // A guest takes part in its own suspension, for which it must run.
            let wasPaused = held.power == .paused
            if wasPaused { try await driver.ask { xen throws(XenFailure) in try xen.unpause(domain) } }
            do throws(DriverError) {
                try await save(domain, of: guest)
            } catch {
                if wasPaused { try? await driver.ask { xen throws(XenFailure) in try xen.pause(domain) } }
                throw error
            }
            let directory = driver.directory(of: guest)
            try await driver.files { () throws(FileFailure) in try directory.update { $0.isSuspended = true } }
            try await driver.stop(guest)
        }
    }

    /// A guest that is still booting does not listen; it is asked again until the time is over.
    private func save(_ domain: XenDomain, of guest: GuestID) async throws(DriverError) {
        let path = driver.directory(of: guest).memory
        let deadline = ContinuousClock.now + driver.options.suspendTimeout
        while true {
            let failure: XenFailure? = await driver.calls.run { [xen = driver.xen] in
                do throws(XenFailure) {
                    try xen.save(domain, to: path)
                    return nil
                } catch {
                    return error
                }
            }
            guard let failure else { return }
            if Task.isCancelled { throw .cancelled }
            guard failure.status == ERROR_GUEST_TIMEDOUT.rawValue, ContinuousClock.now < deadline else {
                throw failure.driverError
            }
            do { try await Task.sleep(for: .seconds(1)) } catch { throw .cancelled }
        }
    }

    func resume(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            switch held.power {
            case .running: return
            case .paused:
                guard let domain = held.domain else { return }
                try await driver.ask { xen throws(XenFailure) in try xen.unpause(domain) }
                driver.note(.running, of: guest)
            case .suspended: try await driver.bringBack(held)
            case .shutdown, .crashed, .noState: try await driver.startAnew(held)
            }
        }
    }
}

extension XenDriver {
    /// Brings a suspended guest back; starts it anew when its memory is lost.
    func bringBack(_ held: Held) async throws(DriverError) {
        let directory = directory(of: held.guest.id)
        let guest = held.guest
        guard await threads.run({ exists(directory.memory) }) else {
            host.log(.warning, "a suspended guest's memory is lost", ["guest.id": guest.id.description])
            return try await startAnew(held)
        }
        try await expectRoom(for: guest)
        if Task.isCancelled { throw .cancelled }
        let memory = directory.memory
        try await ask { xen throws(XenFailure) in try xen.restore(guest, from: memory) }
        try await files { () throws(FileFailure) in
            try directory.update { $0.isSuspended = false }
            try removeTree(memory)
        }
        note(.running, of: guest.id)
    }
}

/// Interrupts guests.
struct CrashDumps: TriggeringCrashDumps {
    let driver: XenDriver

    func triggerCrashDump(of guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            guard held.power == .running, let domain = held.domain else {
                throw .refused("guest \(guest) is \(held.power) and cannot be interrupted")
            }
            try await driver.ask { xen throws(XenFailure) in try xen.interrupt(domain) }
        }
    }
}

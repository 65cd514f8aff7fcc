import ComputeModel
import DriverAPI

/// Freezes guests in memory.
struct Pausing: PausingGuests {
    let driver: LibvirtDriver

    func pause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            switch held.power {
            case .paused: return
            case .running: break
            default: throw .refused("guest \(guest) does not run, so it cannot be paused")
            }
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.pause()
            }
        }
    }

    func unpause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            switch held.power {
            case .running: return
            case .paused: break
            default: throw .refused("guest \(guest) is off, so it cannot be unpaused")
            }
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.resume()
            }
        }
    }
}

/// Saves guests' memory to libvirt's own place for it.
struct Suspending: SuspendingGuests {
    let driver: LibvirtDriver

    func suspend(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            if held.isSaved { return }
            guard held.isActive else { throw .refused("guest \(guest) is off, so it cannot be suspended") }
            driver.host.report(DriverProgress(guest: guest, phase: "saving memory"))
            try await driver.abortable(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.saveMemory()
            }
        }
    }

    func resume(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            switch held.power {
            case .running: return
            case .paused:
                try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                    try connection.domain(guest)?.resume()
                }
            default:
                driver.host.report(DriverProgress(guest: guest, phase: "restoring memory"))
                try await driver.startDomain(guest)
            }
        }
    }
}

/// Interrupts guests for a crash dump.
struct CrashDumps: TriggeringCrashDumps {
    let driver: LibvirtDriver

    func triggerCrashDump(of guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            guard held.power == .running else { throw .refused("guest \(guest) does not run") }
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.injectInterrupt()
            }
        }
    }
}

import ComputeModel
import DriverAPI

/// Saves guests' memory beside their disks.
struct Suspending: SuspendingGuests {
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    func suspend(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            switch machine.power {
            case .suspended: return
            case .running: try await driver.tasks.run("SuspendVM_Task", machine.reference)
            case .noState, .paused, .shutdown, .crashed:
                throw .driver(.refused("guest \(guest) is off and cannot be suspended"))
            }
        }
    }

    func resume(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            try await driver.turnOn(machine)
        }
    }
}

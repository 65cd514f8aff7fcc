import ComputeModel
import DriverAPI

extension XenAPIDriver: PausingGuests {
    func pause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { machine async throws(DriverError) in
            switch machine.state {
            case "Paused": return
            case "Running":
                _ = try await self.client.call("VM.pause", [.text(machine.reference)], "pause the guest \(guest)")
            default: throw .refused("The server does not run; only a running one can be paused.")
            }
        }
    }

    func unpause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { machine async throws(DriverError) in
            switch machine.state {
            case "Running": return
            case "Paused":
                _ = try await self.client.call(
                    "VM.unpause", [.text(machine.reference)], "let the guest \(guest) run on")
            default: throw .refused("The server is off; there is nothing to let run on.")
            }
        }
    }
}

extension XenAPIDriver: SuspendingGuests {
    func suspend(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { machine async throws(DriverError) in
            switch machine.state {
            case "Suspended": return
            case "Halted": throw .refused("The server is off; only a running one can be suspended.")
            case "Paused":
                // The server suspends running machines only.
                _ = try await self.client.call(
                    "VM.unpause", [.text(machine.reference)], "let the guest \(guest) run on")
            default: break
            }
            do throws(DriverError) {
                try await self.long(
                    "VM.suspend", [.text(machine.reference)], "suspend the guest \(guest)",
                    progress: self.progress(of: guest, "suspending"))
            } catch {
                let failure = error
                if machine.state == "Paused" {
                    await Task {
                        _ = try? await self.client.ask("VM.pause", [.text(machine.reference)])
                    }.value
                }
                throw failure
            }
        }
    }

    func resume(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { machine async throws(DriverError) in
            guard machine.state == "Suspended" else { return try await self.bringUp(machine) }
            do throws(DriverError) {
                try await self.bringUp(machine)
            } catch {
                // Saved memory that is lost cannot come back: then the guest is started anew.
                guard machine.record["suspend_VDI"].reference == nil else { throw error }
                try await self.pullThePlug(machine)
                guard let now = try await self.machine(machine.reference) else { throw .noSuchGuest(guest) }
                try await self.bringUp(now)
            }
        }
    }

    /// Tells the host how far a task has come.
    func progress(of guest: GuestID, _ phase: String) -> @Sendable (Int) -> Void {
        { [host] percent in host.report(DriverProgress(guest: guest, phase: phase, percent: percent)) }
    }
}

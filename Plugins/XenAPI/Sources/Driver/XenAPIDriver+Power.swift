import ComputeModel
import DriverAPI

extension XenAPIDriver {
    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { machine async throws(DriverError) in try await self.bringUp(machine) }
    }

    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { machine async throws(DriverError) in
            try await self.bringDown(machine, within: grace)
        }
    }

    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)
    {
        try await change(guest, call) { machine async throws(DriverError) in
            guard machine.isRunning else { return try await self.bringUp(machine) }
            if kind == .soft, grace > .zero {
                let end = try await self.tasks.run("VM.clean_reboot", [.text(machine.reference)], within: grace)
                switch end {
                case .done: return
                case .overdue: break
                case .failed(let failure):
                    // A guest that cannot be asked is reset; one that is gone is told.
                    if failure.code == "HANDLE_INVALID" { throw .noSuchGuest(guest) }
                    if failure.code == "TASK_CANCELLED", Task.isCancelled { throw .cancelled }
                }
            }
            try await self.client.call(
                "VM.hard_reboot", [.text(machine.reference)], accepting: ["VM_BAD_POWER_STATE"],
                "reset the guest \(guest)")
            // A guest that went off meanwhile comes up again: that is what a reboot promises.
            if let now = try await self.machine(machine.reference), !now.isRunning { try await self.bringUp(now) }
        }
    }

    /// Makes a machine run, from whatever state.
    func bringUp(_ machine: Machine) async throws(DriverError) {
        let reference = XenValue.text(machine.reference)
        switch machine.state {
        case "Running": return
        case "Paused":
            try await client.call(
                "VM.unpause", [reference], accepting: ["VM_BAD_POWER_STATE"], "let \(machine.name) run on")
        case "Suspended":
            try await long("VM.resume_on", [reference, .text(place.reference), false, false], "resume \(machine.name)")
        default:
            try await long(
                "VM.start_on", [reference, .text(place.reference), false, false], "start \(machine.name)",
                within: options.runningTimeout)
        }
    }

    /// Makes a machine be off: asks it first where there is time for it.
    func bringDown(_ machine: Machine, within grace: Duration) async throws(DriverError) {
        if machine.isOff { return }
        if machine.isRunning, grace > .zero {
            switch try await tasks.run("VM.clean_shutdown", [.text(machine.reference)], within: grace) {
            case .done: return
            case .overdue: break
            case .failed(let failure):
                if failure.code == "TASK_CANCELLED", Task.isCancelled { throw .cancelled }
            }
        }
        try await pullThePlug(machine)
    }

    /// Takes a machine off at once. What the server does with it at the moment is waited for.
    func pullThePlug(_ machine: Machine) async throws(DriverError) {
        for attempt in 1...Self.attemptsMax {
            let end = try await tasks.run("VM.hard_shutdown", [.text(machine.reference)])
            guard case .failed(let failure) = end else { return }
            switch failure.code {
            case "VM_BAD_POWER_STATE", "HANDLE_INVALID":
                guard let now = try await self.machine(machine.reference) else { return }
                if now.isOff { return }
            case "OTHER_OPERATION_IN_PROGRESS": break
            case "TASK_CANCELLED" where Task.isCancelled: throw .cancelled
            default: throw failure.driverError("take \(machine.name) off")
            }
            if attempt == Self.attemptsMax { throw failure.driverError("take \(machine.name) off") }
            try await pause(.milliseconds(200))
        }
    }

    /// How often a thing is tried that meets another operation of the server.
    static let attemptsMax = 25

    /// Waits, or throws ``DriverError/cancelled``.
    func pause(_ time: Duration) async throws(DriverError) {
        do { try await Task.sleep(for: time) } catch { throw .cancelled }
    }

    /// Carries out a call that takes its time; whatever ends it otherwise is an error.
    @discardableResult
    func long(
        _ method: String, _ arguments: [XenValue], _ doing: String, within limit: Duration? = nil,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws(DriverError) -> String {
        switch try await tasks.run(method, arguments, within: limit, progress: progress) {
        case .done(let text): return text
        case .failed(let failure): throw failure.driverError(doing)
        case .overdue: throw .timedOut("XenAPI did not \(doing) within \(limit ?? .zero)")
        }
    }
}

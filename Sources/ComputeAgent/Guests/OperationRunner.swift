import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// Turns one command into calls of network worker and driver.
struct OperationRunner: Sendable {
    let host: String
    let supervisor: DriverSupervisor
    let bus: MessageBus
    let logger: Logger
    /// How often a call is repeated when the driver says that repeating may help.
    let retriesMax: Int
    /// The pause before the first repetition; it doubles.
    let firstPause: Duration
    /// Builds that may run at the same time (`max_concurrent_builds`).
    let builds: BuildSlots

    /// Runs a command to its end. Never throws: how it ended is the outcome.
    func run(_ message: PerformOperation) async -> OperationOutcome {
        let facts: Logger.Metadata = [
            "instance.id": "\(message.instance)", "operation": "\(message.operation)",
            "request.id": "\(message.requestID)", "command": "\(message.command.verb)",
        ]
        logger.debug("operation begins", metadata: facts)
        do {
            let outcome = try await perform(message)
            logger.info("operation succeeded", metadata: facts)
            return outcome
        } catch {
            let failure = Self.failure(error)
            logger.warning(
                "operation failed",
                metadata: facts.merging(["error": "\(failure.details)", "remedy": "\(failure.remedy.rawValue)"]) { $1 })
            return .failed(failure)
        }
    }

    private func perform(_ message: PerformOperation) async throws -> OperationOutcome {
        let guest = message.instance
        let call = DriverCall(operation: message.operation, requestID: message.requestID)
        switch message.command {
        case .spawn(let spec):
            return try await builds.limited {
                try await prepare(spec.interfaces)
                let handle = try await repeating { try await spawn(spec, call) }
                return .succeeded(
                    power: .running, handle: StoredHandle(version: handle.version, data: handle.data))
            }
        case .destroy:
            try await change(.destroy, guest) { driver throws(DriverError) in try await driver.destroy(guest, call) }
            return .succeeded(power: .noState, handle: nil)
        case .powerOn:
            try await change(.powerOn, guest) { driver throws(DriverError) in try await driver.powerOn(guest, call) }
            return .succeeded(power: .running, handle: nil)
        case .powerOff(let seconds):
            let grace = Duration.seconds(seconds)
            try await change(.powerOff, guest, allowing: grace) { driver throws(DriverError) in
                try await driver.powerOff(guest, within: grace, call)
            }
            return .succeeded(power: .shutdown, handle: nil)
        case .reboot(let mode, let seconds):
            let kind: RebootKind =
                switch mode {
                case .soft: .soft
                case .hard: .hard
                }
            let grace = Duration.seconds(seconds)
            try await change(.reboot, guest, allowing: grace) { driver throws(DriverError) in
                try await driver.reboot(guest, kind, within: grace, call)
            }
            return .succeeded(power: .running, handle: nil)
        }
    }

    /// Spawns a guest. One that a call makes after it was given up is removed, as the server is built elsewhere.
    private func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        let undo = { @Sendable [logger] (driver: any ComputeDriver, _: GuestHandle) async in
            do throws(DriverError) {
                try await driver.destroy(spec.id, call)
            } catch {
                logger.error(
                    "a guest that was made too late cannot be removed",
                    metadata: ["instance.id": "\(spec.id)", "error": "\(error.message)"])
            }
        }
        let handle = try await supervisor.call(.spawn, spec.id, undoLate: undo) { driver throws(DriverError) in
            try await driver.spawn(spec, call)
        }
        guard handle.data.count <= NonsenseCheck.handleBytesMax else {
            try await supervisor.call(.destroy, spec.id) { driver throws(DriverError) in
                try await driver.destroy(spec.id, call)
            }
            throw .failed(
                "the driver's handle of guest \(spec.id) has \(handle.data.count) bytes; at most "
                    + "\(NonsenseCheck.handleBytesMax) are kept, so the guest was removed")
        }
        return handle
    }

    /// One call that changes a guest, repeated while that may help.
    private func change(
        _ name: DriverCallName, _ guest: GuestID, allowing extra: Duration = .zero,
        _ body: @escaping @Sendable (any ComputeDriver) async throws(DriverError) -> Void
    ) async throws {
        try await repeating { try await supervisor.call(name, guest, allowing: extra, body) }
    }

    /// Makes sure that the host's network has what the interfaces will join.
    func prepare(_ interfaces: [NetworkInterfaceSpec]) async throws {
        for interface in interfaces where interface.binding.kind == .bridge {
            let address = Address(topic: Topic.network, host: host)
            let message = PreparePort(port: interface.portID, network: interface.networkID)
            try await repeating(while: Self.mayPass) {
                _ = try await bus.call(message, to: address, deadline: .seconds(60))
            }
        }
    }

    /// Whether a message may get through a little later: the host's network worker starts beside this agent.
    private static func mayPass(_ error: any Error) -> Bool {
        switch error {
        case MessagingError.noReceiver, MessagingError.overloaded, MessagingError.unreachable: true
        default: false
        }
    }

    /// Repeats a call while the driver says that repeating may help, with growing pauses.
    private func repeating<Value>(
        while mayHelp: (any Error) -> Bool = { ($0 as? DriverError)?.remedy == .retry },
        _ body: () async throws -> Value
    ) async throws -> Value {
        var attempt = 0
        while true {
            do {
                return try await body()
            } catch {
                attempt += 1
                guard mayHelp(error), attempt <= retriesMax, !Task.isCancelled else { throw error }
                try await Task.sleep(for: firstPause * (1 << min(attempt, 6) - 1))
            }
        }
    }

    private static func failure(_ error: any Error) -> OperationFailure {
        switch error {
        case let error as DriverError:
            let remedy: OperationFailure.Remedy =
                switch error.remedy {
                // Repeating on this host was tried; another host may do.
                case .retry, .reschedule: .reschedule
                case .giveUp: .giveUp
                }
            var gone = false
            if case .noSuchGuest = error { gone = true }
            return OperationFailure(
                remedy: remedy, userMessage: error.userMessage, details: error.message, guestIsGone: gone)
        case is CancellationError, MessagingError.cancelled:
            return .cancelled
        default:
            return OperationFailure(
                remedy: .reschedule, userMessage: "The host could not prepare the server's network.",
                details: "\(error)")
        }
    }
}

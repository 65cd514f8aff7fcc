import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// Turns one command into calls of network worker and driver.
struct OperationRunner: Sendable {
    let host: String
    let driver: any ComputeDriver
    let bus: MessageBus
    let logger: Logger
    /// How often a call is repeated when the driver says that repeating may help.
    let retriesMax: Int
    /// Builds that may run at the same time (`max_concurrent_builds`).
    let builds: Semaphore

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
                let handle = try await repeating { () async throws(DriverError) in try await driver.spawn(spec, call) }
                return .succeeded(
                    power: .running, handle: StoredHandle(version: handle.version, data: handle.data))
            }
        case .destroy:
            try await repeating { () async throws(DriverError) in try await driver.destroy(guest, call) }
            return .succeeded(power: .noState, handle: nil)
        case .powerOn:
            try await repeating { () async throws(DriverError) in try await driver.powerOn(guest, call) }
            return .succeeded(power: .running, handle: nil)
        case .powerOff(let grace):
            try await repeating { () async throws(DriverError) in
                try await driver.powerOff(guest, within: .seconds(grace), call)
            }
            return .succeeded(power: .shutdown, handle: nil)
        case .reboot(let mode, let grace):
            let kind: RebootKind =
                switch mode {
                case .soft: .soft
                case .hard: .hard
                }
            try await repeating { () async throws(DriverError) in
                try await driver.reboot(guest, kind, within: .seconds(grace), call)
            }
            return .succeeded(power: .running, handle: nil)
        }
    }

    /// Makes sure that the host's network has what the interfaces will join.
    func prepare(_ interfaces: [NetworkInterfaceSpec]) async throws {
        for interface in interfaces where interface.binding.kind == .bridge {
            let address = Address(topic: Topic.network, host: host)
            _ = try await bus.call(
                PreparePort(port: interface.portID, network: interface.networkID), to: address, deadline: .seconds(60))
        }
    }

    /// Repeats a call while the driver says that repeating may help, with growing pauses.
    private func repeating<Value>(_ body: () async throws(DriverError) -> Value) async throws -> Value {
        var attempt = 0
        while true {
            do {
                return try await body()
            } catch {
                attempt += 1
                guard error.remedy == .retry, attempt <= retriesMax, !Task.isCancelled else { throw error }
                try await Task.sleep(for: .milliseconds(200 << min(attempt, 5)))
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
        case is CancellationError:
            return OperationFailure(
                remedy: .giveUp, userMessage: DriverError.cancelled.userMessage, details: "the operation was cancelled")
        default:
            return OperationFailure(
                remedy: .reschedule, userMessage: "The host could not prepare the server's network.",
                details: "\(error)")
        }
    }
}

/// Lets a limited number of tasks through at a time, in the order of their coming.
actor Semaphore {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// - Parameter limit: 0 or less means no limit.
    init(limit: Int) { free = limit > 0 ? limit : Int.max }

    /// Runs `body` when a place is free.
    nonisolated func limited<Value: Sendable>(_ body: () async throws -> Value) async rethrows -> Value {
        await enter()
        do {
            let value = try await body()
            await leave()
            return value
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

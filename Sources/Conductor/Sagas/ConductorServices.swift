package import ComputeModel
package import ComputeStore
import Logging
import Messaging
import PeerClients
import Sagas
import ServiceInterfaces

/// What conductors may be told to do differently.
package struct ConductorOptions: Sendable {
    /// Hosts tried before a build gives up (`[scheduler] max_attempts`).
    package var attemptsMax = 3
    /// Silence after which a service counts as down (`service_down_time`).
    package var serviceDownAfter: Duration = .seconds(60)
    /// How long a guest may take to stop by itself (`shutdown_timeout`).
    package var shutdownGrace: Duration = .seconds(60)
    /// First pause before an agent is asked again for a report.
    package var reportPatience: Duration = .seconds(5)
    /// How soon a waiting step notices that its work is not wanted any more, or that its host went down.
    package var abandonInterval: Duration = .milliseconds(500)
    /// How long a guest may be missing from reports after its server last changed: the agent may have looked before.
    package var missingGrace: Duration = .seconds(30)
    /// How often what is known of servers' networks is refreshed (`heal_instance_info_cache_interval`); zero: never.
    package var networkRefreshInterval: Duration = .seconds(60)
    /// Servers refreshed at each interval, in turns.
    package var networkRefreshBatch = 20
    /// How long sagas are kept for operators after their end.
    package var sagaRetention: Duration = .seconds(86_400)

    package init() {}
}

/// Builds the files of a configuration drive; injected, because the documents are the metadata service's.
package typealias ConfigDriveFiles =
    @Sendable (InstanceWorkRecord, [NetworkInterfaceSpec], _ adminPassword: String?) -> [String: [UInt8]]

/// What the steps of every saga work with.
struct ConductorServices: Sendable {
    let options: ConductorOptions
    let store: ComputeStore
    let bus: MessageBus
    let wiring: PortWiring
    let desk: ReportDesk
    let configDriveFiles: ConfigDriveFiles
    let logger: Logger

    /// The server, as it must be for the step to make sense.
    func work(on id: InstanceID) async throws -> InstanceWorkRecord {
        guard let work = try await store.work(on: id) else {
            throw BuildFailure(.giveUp, "Instance \(id) could not be found.")
        }
        return work
    }

    /// Ends a build's step early when the user has deleted the server meanwhile.
    func requireBuilding(_ id: InstanceID) async throws -> InstanceWorkRecord {
        let work = try await work(on: id)
        guard !work.instance.isDeleted, let task = work.instance.status.task, TaskState.building.contains(task) else {
            throw BuildFailure(.giveUp, "The server was deleted while it was being built.")
        }
        return work
    }

    /// Whether the agent of a host has been silent for too long.
    func isDown(_ host: String) async throws -> Bool {
        let service = try await store.services().first { $0.binary == "nova-compute" && $0.host == host }
        return !(service?.isUp(at: store.now(), downAfter: options.serviceDownAfter) ?? false)
    }

    /// Has an agent carry out one operation and waits for its report, asking again until it comes.
    ///
    /// - Parameter abandon: asked at every pause; a reason to stop waiting, or `nil`.
    /// - Throws: `OperationFailure` as reported, or ``BuildFailure`` with the reason to stop.
    func perform(
        _ command: ComputeCommand, on instance: InstanceID, host: String, operation: Int64, requestID: String,
        abandon: @escaping @Sendable () async throws -> BuildFailure?
    ) async throws -> (power: PowerState, handle: StoredHandle?) {
        let message = PerformOperation(
            instance: instance, operation: operation, requestID: requestID, command: command)
        await desk.expect(instance, operation: operation)
        do {
            let outcome = try await outcome(of: message, on: host, abandon: abandon)
            await desk.forget(instance, operation: operation)
            switch outcome {
            case .succeeded(let power, let handle): return (power, handle)
            case .failed(let failure): throw failure
            }
        } catch {
            await desk.forget(instance, operation: operation)
            throw error
        }
    }

    /// Asks, and asks again with growing patience. Waits in short slices, so that a deletion is noticed soon.
    private func outcome(
        of message: PerformOperation, on host: String, abandon: @Sendable () async throws -> BuildFailure?
    ) async throws -> OperationOutcome {
        let slice = options.abandonInterval
        var patience = options.reportPatience
        // After a restart of everything the agent is there a moment later than the conductor.
        var pause = min(.milliseconds(50), patience)
        var untilAsked = Duration.zero
        while !Task.isCancelled {
            if untilAsked <= .zero {
                if await ask(message, host, within: patience) {
                    untilAsked = patience
                    patience = min(patience * 2, .seconds(60))
                } else {
                    untilAsked = pause
                    pause = min(pause * 2, patience)
                }
            }
            let wait = min(slice, untilAsked)
            let outcome = await desk.report(on: message.instance, operation: message.operation, within: wait)
            if let outcome { return outcome }
            if let reason = try await abandon() { throw reason }
            untilAsked -= wait
        }
        throw CancellationError()
    }

    /// Asks once. The message lives until it is sent again: nothing that was given up may wait for an agent that is
    /// away.
    ///
    /// - Returns: whether somebody took it.
    private func ask(_ message: PerformOperation, _ host: String, within patience: Duration) async -> Bool {
        do {
            try await bus.cast(
                message, to: Address(topic: Topic.compute, host: host), deadline: patience,
                origin: MessageOrigin(requestID: message.requestID))
            return true
        } catch {
            logger.notice("the agent cannot be asked", metadata: ["host": "\(host)", "error": "\(error)"])
            return false
        }
    }

    /// Removes a guest under a new operation number, whatever runs on it. Succeeds when the host is down: what is
    /// left there is removed when it comes back.
    func destroyGuest(_ instance: InstanceID, host: String, requestID: String) async throws {
        let number = try await store.nextOperation(on: instance)
        let interfaces = try await work(on: instance).interfaces
        do {
            _ = try await perform(
                .destroy(interfaces: interfaces), on: instance, host: host, operation: number, requestID: requestID
            ) {
                try await isDown(host) ? BuildFailure(.giveUp, "the host is down") : nil
            }
        } catch let failure as BuildFailure {
            logger.warning(
                "guest not destroyed now", metadata: ["instance.id": "\(instance)", "host": "\(host)",
                    "reason": "\(failure.message)"])
        } catch let failure as OperationFailure {
            if failure.guestIsGone { return }
            if failure.remedy != .giveUp { throw PassingFailure(description: failure.details) }
            throw BuildFailure(failure, as: .giveUp)
        }
    }

    /// Gives back what a server holds in placement.
    func release(_ instance: InstanceID) async throws {
        do {
            _ = try await bus.call(
                ReleaseResources(consumer: ConsumerID(instance.uuid)), to: Address(topic: Topic.placement))
        } catch {
            throw PassingFailure(description: "placement: \(error)")
        }
    }
}

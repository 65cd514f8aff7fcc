import ComputeModel
import ComputeStore
import Logging
import Sagas
import ServiceInterfaces

/// Starts, stops or reboots a server.
enum PowerInstance: Saga {
    static let name = SagaName.power
    typealias Parameters = PowerInstanceRequest
    typealias Services = ConductorServices

    static let begin = StepKey<NoOutput>("begin")
    static let number = StepKey<Int64>("operation-number")
    static let perform = StepKey<PowerState>("perform")
    static let finish = StepKey<NoOutput>("finish")

    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(begin, undo: .run { try await showFailure($0) }, isRepeatable: true) { context in
                let work = try await context.services.work(on: context.parameters.instance)
                try await context.services.store.beginEvent(
                    event(context.parameters.action), on: context.parameters.instance,
                    requestID: context.parameters.requestID, host: work.instance.host)
            },
            SagaStep(number, undo: .notNeeded(because: "a number that is not used is only skipped")) {
                // The end of this step waits for the disk.
                try await $0.services.store.nextOperation(on: $0.parameters.instance, durability: .deferred)
            },
            // Repeatable: the agent answers the same number with the same report.
            SagaStep(
                perform, undo: .notNeeded(because: "the power state afterwards is reported as it is"),
                isRepeatable: true
            ) { try await act($0) },
            SagaStep(finish, undo: .notNeeded(because: "it is the last step")) { context in
                let request = context.parameters
                let store = context.services.store
                let rule = request.action.rule
                try await store.endEvent(
                    event(request.action), on: request.instance, requestID: request.requestID)
                try await store.finishAction(on: request.instance, requestID: request.requestID, failed: false)
                try await store.finishOperation(
                    on: request.instance, vm: rule.leadsTo, power: try context[perform], expecting: [rule.during],
                    operation: try context[number])
            },
        ]
    }

    private static func event(_ action: InstanceAction) -> String {
        switch action {
        case .start: "compute_start_instance"
        case .stop: "compute_stop_instance"
        case .softReboot, .hardReboot: "compute_reboot_instance"
        case .delete: "compute_terminate_instance"
        }
    }

    private static func act(_ context: SagaContext<Self>) async throws -> PowerState {
        let request = context.parameters
        let services = context.services
        let work = try await services.work(on: request.instance)
        if work.settled == (try context[number]) { return work.instance.power }
        guard let host = work.instance.host else {
            throw BuildFailure(.giveUp, "The server is on no host.")
        }
        let grace = Double(services.options.shutdownGrace.components.seconds)
        let command: ComputeCommand =
            switch request.action {
            case .start: .powerOn
            case .stop: .powerOff(graceSeconds: grace)
            case .softReboot: .reboot(.soft, graceSeconds: grace)
            case .hardReboot: .reboot(.hard, graceSeconds: 0)
            case .delete: throw BuildFailure(.giveUp, "A deletion is not a change of power.")
            }
        let expected = request.action.rule.during
        do {
            let result = try await services.perform(
                command, on: request.instance, host: host, operation: try context[number],
                requestID: request.requestID
            ) {
                // Another task that was allowed to interrupt this one, a deletion above all, takes over.
                let now = try await services.work(on: request.instance).instance.status.task
                if now != expected { return BuildFailure(.giveUp, "Another action on the server took over.") }
                return try await services.isDown(host) ? BuildFailure(.giveUp, "The host \(host) is down.") : nil
            }
            return result.power
        } catch let failure as OperationFailure {
            services.logger.warning(
                "operation failed", metadata: ["instance.id": "\(request.instance)", "details": "\(failure.details)"])
            throw BuildFailure(failure, as: .giveUp)
        }
    }

    /// The server is what it was, without a task, and shows why; after a failed reboot it is in ERROR.
    private static func showFailure(_ context: SagaContext<Self>) async throws {
        let request = context.parameters
        let store = context.services.store
        let reason = BuildFailure(reason: context.failure?.reason ?? "The action failed.")
        let instance = try await context.services.work(on: request.instance).instance
        let isReboot = request.action == .softReboot || request.action == .hardReboot
        try await store.finishOperation(
            on: request.instance, vm: isReboot ? .error : instance.status.vm, power: instance.power,
            expecting: [request.action.rule.during], fault: reason.fault(at: store.now()), durability: .deferred)
        try await store.endEvent(
            event(request.action), on: request.instance, requestID: request.requestID,
            failure: reason.event)
        try await store.finishAction(on: request.instance, requestID: request.requestID, failed: true)
    }
}

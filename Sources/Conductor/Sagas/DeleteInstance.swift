import ComputeModel
import ComputeStore
import Sagas
import ServiceInterfaces

/// Deletes a server: its guest, its ports, what it holds in placement, and at last its row. Goes forward only.
enum DeleteInstance: Saga {
    static let name = SagaName.delete
    typealias Parameters = DeleteInstanceRequest
    typealias Services = ConductorServices

    static let begin = StepKey<NoOutput>("begin")
    static let awaitBuild = StepKey<NoOutput>("await-build-end")
    static let destroy = StepKey<NoOutput>("destroy-guest")
    static let ports = StepKey<NoOutput>("give-back-ports")
    static let release = StepKey<NoOutput>("release-resources")
    static let finish = StepKey<NoOutput>("mark-deleted")

    private static let forward = Undo<Self>.notNeeded(because: "a deletion goes forward only")
    private static let event = "compute_terminate_instance"

    // Every step finds its work done when it is run again, so none but the last waits for the disk by itself; the
    // destruction's number does, and `markDeleted`.
    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(begin, undo: .run { try await showFailure($0) }, isRepeatable: true) { context in
                let work = try await context.services.work(on: context.parameters.instance)
                try await context.services.store.beginEvent(
                    event, on: context.parameters.instance, requestID: context.parameters.requestID,
                    host: work.instance.host)
            },
            SagaStep(awaitBuild, undo: forward, isRepeatable: true) { try await awaitEndOfBuild($0) },
            SagaStep(destroy, undo: forward, isRepeatable: true) { context in
                let id = context.parameters.instance
                guard let host = try await context.services.work(on: id).instance.host else { return }
                try await context.services.destroyGuest(id, host: host, requestID: context.parameters.requestID)
            },
            SagaStep(ports, undo: forward, isRepeatable: true) { context in
                let id = context.parameters.instance
                let given = try await context.services.store.givenPorts(of: id)
                try await sortingPeerErrors { try await context.services.wiring.disconnect(id, given: given) }
            },
            SagaStep(release, undo: forward, isRepeatable: true) {
                try await $0.services.release($0.parameters.instance)
            },
            SagaStep(finish, undo: forward) { context in
                let (id, request) = (context.parameters.instance, context.parameters.requestID)
                let store = context.services.store
                try await store.endEvent(event, on: id, requestID: request)
                try await store.finishAction(on: id, requestID: request, failed: false)
                try await store.markDeleted(id)
            },
        ]
    }

    /// A build notices the deletion at its next step and undoes itself; its host and ports are gone then.
    private static func awaitEndOfBuild(_ context: SagaContext<Self>) async throws {
        var pause = Duration.milliseconds(5)
        while try await context.services.store.isRunning(saga: SagaName.build, about: context.parameters.instance) {
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(250))
        }
    }

    private static func showFailure(_ context: SagaContext<Self>) async throws {
        let (id, request) = (context.parameters.instance, context.parameters.requestID)
        let store = context.services.store
        let reason = BuildFailure(reason: context.failure?.reason ?? "The deletion failed.")
        let work = try await context.services.work(on: id)
        try await store.finishOperation(
            on: id, vm: .error, power: work.instance.power, expecting: [.deleting],
            fault: reason.fault(at: store.now()), durability: .deferred)
        try await store.endEvent(event, on: id, requestID: request, failure: reason.event)
        try await store.finishAction(on: id, requestID: request, failed: true)
    }
}

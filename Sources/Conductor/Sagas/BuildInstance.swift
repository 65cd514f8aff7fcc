import ComputeModel
import ComputeStore
import Logging
import Sagas
import ServiceInterfaces

/// Builds a server: tries hosts, each as a child saga of its own, until one takes it.
enum BuildInstance: Saga {
    static let name = SagaName.build
    typealias Parameters = BuildInstanceRequest
    typealias Services = ConductorServices

    static let begin = StepKey<NoOutput>("begin")
    static let attempts = StepKey<NoOutput>("try-hosts")

    static let event = "conductor_schedule_and_build_instances"

    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(begin, undo: .run { try await showFailure($0) }, isRepeatable: true) { context in
                let request = context.parameters
                try await context.services.store.beginEvent(
                    event, on: request.instance, requestID: request.requestID, host: nil)
            },
            // Repeatable, because a child never runs twice: it tells its result again. It is the last step, so that
            // nothing can fail once a child has made the server active; that child ends the action too.
            SagaStep(
                attempts, undo: .notNeeded(because: "a child that completed is the server; one that failed is undone"),
                isRepeatable: true
            ) { try await tryHosts($0) },
        ]
    }

    private static func tryHosts(_ context: SagaContext<Self>) async throws {
        let request = context.parameters
        var excluded: [String] = []
        var earlier: [(host: String, reason: BuildFailure)] = []
        for attempt in 1...max(1, context.services.options.attemptsMax) {
            let child = BuildOnHost.Parameters(request: request, excludedHosts: excluded)
            switch try await context.runChild(BuildOnHost.self, label: "host-\(attempt)", parameters: child) {
            case .completed: return
            case .unwound(let failure):
                let reason = BuildFailure(reason: failure.reason)
                context.services.logger.warning(
                    "build attempt failed",
                    metadata: [
                        "instance.id": "\(request.instance)", "attempt": "\(attempt)", "step": "\(failure.step)",
                        "reason": "\(reason.message)",
                    ])
                let host = try await lastHost(context, attempt: attempt)
                guard reason.remedy == .reschedule, let host, attempt < context.services.options.attemptsMax else {
                    throw failure.step == BuildOnHost.selection.name ? exhausted(reason, earlier) : reason
                }
                excluded.append(host)
                earlier.append((host, reason))
            }
        }
    }

    /// No host is left after some have failed: what they said is why, not that nobody else is there.
    private static func exhausted(
        _ reason: BuildFailure, _ earlier: [(host: String, reason: BuildFailure)]
    ) -> BuildFailure {
        guard !earlier.isEmpty else { return reason }
        let told = earlier.map { "\($0.host): \($0.reason.message)" }
        let details = earlier.map { "\($0.host): \($0.reason.details ?? $0.reason.message)" }
        return BuildFailure(
            reason.remedy, "No valid host was found. No host is left to try. " + told.joined(separator: " "),
            details: (details + [reason.details ?? reason.message]).joined(separator: "\n"))
    }

    /// The host that an attempt had chosen, from the event that its spawn recorded.
    private static func lastHost(_ context: SagaContext<Self>, attempt: Int) async throws -> String? {
        let request = context.parameters
        let found = try await context.services.store.action(of: request.instance, requestID: request.requestID)
        return found?.1.last { $0.event == BuildOnHost.event(attempt: attempt) }?.host
    }

    /// The server shows ERROR and the reason, unless it is being deleted.
    private static func showFailure(_ context: SagaContext<Self>) async throws {
        let request = context.parameters
        let store = context.services.store
        let reason = BuildFailure(reason: context.failure?.reason ?? "The build failed.")
        try await store.finishOperation(
            on: request.instance, vm: .error, power: .noState, expecting: TaskState.building,
            fault: reason.fault(at: store.now()), durability: .deferred)
        try await store.endEvent(
            event, on: request.instance, requestID: request.requestID, failure: reason.event)
        try await store.finishAction(on: request.instance, requestID: request.requestID, failed: true)
    }
}

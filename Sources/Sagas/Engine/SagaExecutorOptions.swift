import Glibc
package import Logging

/// How an executor works.
package struct SagaExecutorOptions: Sendable {
    /// Sagas that run at the same time; more wait their turn. Children are not counted.
    package var runningMax = 256
    /// How long a saga stays ours without word from us. Renewed at a third of it.
    package var lease: Duration = .seconds(30)
    /// How often unowned sagas are looked for.
    package var adoptionInterval: Duration = .seconds(5)
    /// Pauses between tries after transient failures.
    package var backOff = SagaBackOff()
    package var clock = SagaClock.system
    /// A number from 0 up to 1, for the jitter of pauses.
    package var random: @Sendable () -> Double = { Double.random(in: 0..<1) }
    package var logger = Logger(label: "kilonova.sagas")
    /// Called before and after each event is written; see ``SagaEventHook``.
    package var eventHook: SagaEventHook?
    /// Faults to be injected. Empty outside tests.
    package var faults = SagaFaults()

    package init() {}
}

/// Pauses that double up to a limit; each is shortened by up to half at random, so that many do not come at once.
package struct SagaBackOff: Sendable {
    package var first: Duration = .milliseconds(100)
    package var max: Duration = .seconds(30)

    package init(first: Duration = .milliseconds(100), max: Duration = .seconds(30)) {
        (self.first, self.max) = (first, max)
    }

    /// The pause after that many failures, counted from 1.
    func pause(afterFailures failures: Int, random: Double) -> Duration {
        var pause = first
        for _ in 1..<Swift.max(failures, 1) where pause < max { pause *= 2 }
        return Swift.min(pause, max) * (1 - random / 2)
    }
}

/// Time as the engine sees it, so that tests can make their own.
package struct SagaClock: Sendable {
    /// Since 1970-01-01 00:00 UTC. Leases compare it between hosts, so their clocks must agree to a few seconds.
    package var now: @Sendable () -> Duration
    package var sleep: @Sendable (Duration) async throws -> Void

    package init(now: @escaping @Sendable () -> Duration, sleep: @escaping @Sendable (Duration) async throws -> Void) {
        (self.now, self.sleep) = (now, sleep)
    }

    /// The system's clock.
    package static let system = SagaClock(
        now: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        },
        sleep: { try await Task.sleep(for: $0) })
}

/// Told of every event right before and right after it is written. When it throws, the saga stops there as if the
/// process had died: nothing is released. Tests crash here; a harness may end the whole process.
///
/// Events that are written together are each announced before, and each after, the one write.
package typealias SagaEventHook = @Sendable (SagaEventMoment) async throws -> Void

/// A point in the life of a saga.
package struct SagaEventMoment: Sendable, Hashable {
    package enum Side: String, Sendable {
        /// The event has happened but is not in the log.
        case before
        case after
    }
    package let side: Side
    package let saga: SagaID
    /// The type of the saga, ``Saga/name``.
    package let name: String
    package let event: SagaEvent
}

/// Faults that the engine makes on request.
package struct SagaFaults: Sendable {
    /// Steps that fail instead of running.
    package var failingActions: Set<String> = []
    /// Steps whose undo fails instead of running.
    package var failingUndos: Set<String> = []
    /// Run every action twice; the second output counts.
    package var repeatsActions = false
    /// Run every undo twice.
    package var repeatsUndos = false

    package init() {}

    /// The error of an injected failure.
    package struct Injected: Error, Hashable, CustomStringConvertible {
        package let step: String
        package var description: String { "injected failure of \(step)" }
    }
}

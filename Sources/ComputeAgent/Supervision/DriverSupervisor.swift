import ComputeModel
package import DriverAPI
import Logging

/// Carries out every call of one driver, on threads of the driver's own and each with a deadline, so that a driver
/// that throws, hangs or blocks harms its own node only.
///
/// ```
///   running ──answers──▶ the caller's answer
///      │ deadline, or the caller is cancelled
///      ▼
///   cancelled ──answers within the grace──▶ the caller's answer
///      │
///      ▼
///   given up: the caller learns so; the call is counted, its guest takes no other change, the node is in trouble
///      │ answers at last
///      ▼
///   back: what a late spawn has made is removed; the node is well when all are back
/// ```
final class DriverSupervisor: Sendable {
    /// What a call keeps others from while it is on its way after it was given up.
    private enum Place: Hashable {
        case guest(GuestID)
        case question(DriverCallName, GuestID?)

        init(_ name: DriverCallName, _ guest: GuestID?) {
            if let guest, name.changesGuest { self = .guest(guest) } else { self = .question(name, guest) }
        }
    }
    /// A call that was given up and has not come back.
    private struct Stray {
        let name: DriverCallName
        let guest: GuestID?
        let since: ContinuousClock.Instant
        let place: Place
        var what: String { name.rawValue + (guest.map { " of guest \($0)" } ?? "") }
    }
    private struct State {
        var nextNumber = 0
        var strays: [Int: Stray] = [:]
        /// Calls given up since the start.
        var givenUp = 0
    }

    let driver: any ComputeDriver
    /// Read once, as they are fixed.
    let capabilities: Capabilities
    private let driverName: String
    private let deadlines: CallDeadlines
    private let troubles: NodeTroubles
    private let logger: Logger
    private let threads = DriverThreads()
    private let state = Locked(State())
    private let telling = Locked(())
    /// With so many calls that did not come back, no further one is begun.
    private let straysMax: Int

    init(
        _ driver: any ComputeDriver, name: String, deadlines: CallDeadlines, troubles: NodeTroubles, logger: Logger,
        straysMax: Int = 64
    ) {
        self.driver = driver
        capabilities = driver.capabilities
        driverName = name
        self.deadlines = deadlines
        self.troubles = troubles
        self.logger = logger
        self.straysMax = straysMax
    }

    /// Calls given up since the start, and how many of them have not come back.
    var givenUp: (total: Int, hanging: Int) { state.with { ($0.givenUp, $0.strays.count) } }

    /// Makes one call.
    ///
    /// - Parameters:
    ///   - guest: the guest that it is about.
    ///   - extra: what the call itself may wait in addition, such as the grace of a shut-down.
    ///   - undoLate: removes what the call has made when it succeeds after it was given up.
    /// - Throws: what the driver throws; ``DriverError/timedOut(_:)`` for a call that was given up at its deadline,
    ///   ``DriverError/busy(_:)`` while an earlier call that was given up has not come back.
    func call<Value: Sendable>(
        _ name: DriverCallName, _ guest: GuestID? = nil, allowing extra: Duration = .zero,
        undoLate: (@Sendable (any ComputeDriver, Value) async -> Void)? = nil,
        _ body: @escaping @Sendable (any ComputeDriver) async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        let place = Place(name, guest)
        if let refusal = refusal(place, name, guest) { throw refusal }
        guard !Task.isCancelled else { throw .cancelled }
        let number = state.with { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        let answer = SingleAnswer<Value>()
        let reason = Locked<DriverError?>(nil)
        let work = Task(executorPreference: threads) { [driver] in
            let result: Result<Value, DriverError>
            do throws(DriverError) { result = .success(try await body(driver)) } catch { result = .failure(error) }
            guard !answer.give(result) else { return }
            await self.cameBack(number, result, undoLate)
        }
        let stray = Stray(name: name, guest: guest, since: .now, place: place)
        let deadline = deadlines[name] + extra
        let cutShort = { @Sendable [grace = deadlines.cancelGrace] (error: DriverError) in
            reason.with { $0 = $0 ?? error }
            work.cancel()
            guard (try? await Task.sleep(for: grace)) != nil else { return }
            self.giveUp(number, stray, answer, error)
        }
        let watch = Task {
            guard (try? await Task.sleep(for: deadline)) != nil else { return }
            await cutShort(
                .timedOut("the driver '\(self.driverName)' did not end \(stray.what) within \(deadline.inWords)"))
        }
        let shortening = Locked<Task<Void, Never>?>(nil)
        let result = await withTaskCancellationHandler {
            await answer.value
        } onCancel: {
            let task = Task { await cutShort(.cancelled) }
            shortening.with { $0 = task }
        }
        watch.cancel()
        shortening.with { $0?.cancel() }
        return try Self.judge(result, cutShortBy: reason.with { $0 }, stray.what)
    }

    /// What the caller learns: a call that gave in to its cancellation failed for the reason of that cancellation.
    private static func judge<Value>(
        _ result: Result<Value, DriverError>, cutShortBy reason: DriverError?, _ what: String
    ) throws(DriverError) -> Value {
        switch result {
        case .success(let value): return value
        case .failure(.cancelled):
            throw reason ?? .failed("the driver says that \(what) was cancelled, which nobody did")
        case .failure(let error): throw error.clipped()
        }
    }

    private func refusal(_ place: Place, _ name: DriverCallName, _ guest: GuestID?) -> DriverError? {
        let (blocking, count) = state.with { state in
            (state.strays.values.first { $0.place == place }, state.strays.count)
        }
        if let blocking {
            let what = name.rawValue + (guest.map { " of guest \($0)" } ?? "")
            let age = (ContinuousClock.now - blocking.since).inWords
            return .busy(
                "\(what) is not begun: the driver '\(driverName)' has not come back from \(blocking.what), which began "
                    + "\(age) ago")
        }
        guard count >= straysMax, name != .shutDown else { return nil }
        return .unreachable("the driver '\(driverName)' has not come back from \(count) calls; no other is begun")
    }

    private func giveUp<Value>(_ number: Int, _ stray: Stray, _ answer: SingleAnswer<Value>, _ error: DriverError) {
        // Noted first: the call may come back at any moment, and takes its note away.
        state.with { $0.strays[number] = stray }
        guard answer.give(.failure(error)) else {
            state.with { _ = $0.strays.removeValue(forKey: number) }
            return
        }
        let total = state.with { state in
            state.givenUp += 1
            return state.givenUp
        }
        logger.error(
            "a driver's call was given up",
            metadata: [
                "call": "\(stray.name.rawValue)", "instance.id": "\(stray.guest?.description ?? "-")",
                "after": "\((ContinuousClock.now - stray.since).inWords)", "given_up": "\(total)",
            ])
        tellTroubles()
    }

    /// A call that was given up has ended after all.
    private func cameBack<Value: Sendable>(
        _ number: Int, _ result: Result<Value, DriverError>,
        _ undoLate: (@Sendable (any ComputeDriver, Value) async -> Void)?
    ) async {
        if case .success(let value) = result, let undoLate {
            // A task of its own, because this one is cancelled.
            await Task(executorPreference: threads) { [driver] in await undoLate(driver, value) }.value
        }
        guard let stray = state.with({ $0.strays.removeValue(forKey: number) }) else { return }
        logger.notice(
            "a driver's call came back after it was given up",
            metadata: [
                "call": "\(stray.name.rawValue)", "instance.id": "\(stray.guest?.description ?? "-")",
                "after": "\((ContinuousClock.now - stray.since).inWords)",
            ])
        tellTroubles()
    }

    /// One at a time, from looking to telling: else a slow one would tell last what was true first.
    private func tellTroubles() {
        telling.with { _ in
            let (oldest, count) = state.with { state in
                (state.strays.min { $0.key < $1.key }?.value.what, state.strays.count)
            }
            let others = count > 1 ? " and \(count - 1) more calls" : ""
            troubles.set(.calls, oldest.map { "the driver has not come back from \($0)\(others)" })
        }
    }
}

/// Starts and ends drivers under the same care as an agent's calls.
package enum DriverStart {
    /// Makes and starts a driver on threads of its own, within a time. One that starts later after all is shut down.
    ///
    /// - Throws: what the factory throws; ``DriverError/timedOut(_:)``.
    package static func start(
        _ factory: DriverFactory, _ configuration: DriverConfiguration, host: any DriverHost, within limit: Duration
    ) async throws(DriverError) -> any ComputeDriver {
        let answer = SingleAnswer<any ComputeDriver>()
        let work = Task(executorPreference: DriverThreads()) {
            let result: Result<any ComputeDriver, DriverError>
            do throws(DriverError) {
                result = .success(try await factory.makeDriver(configuration, host: host))
            } catch {
                result = .failure(error)
            }
            if !answer.give(result), case .success(let late) = result { await late.shutDown() }
        }
        let watch = Task {
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            work.cancel()
            _ = answer.give(.failure(.timedOut("it did not start within \(limit.inWords)")))
        }
        let result = await withTaskCancellationHandler {
            await answer.value
        } onCancel: {
            work.cancel()
            _ = answer.give(.failure(.cancelled))
        }
        watch.cancel()
        do throws(DriverError) { return try result.get() } catch { throw error.clipped() }
    }

    /// Shuts a driver down, and waits for that no longer than the limit.
    package static func shutDown(_ driver: any ComputeDriver, within limit: Duration = .seconds(10)) async {
        let answer = SingleAnswer<Bool>()
        let work = Task(executorPreference: DriverThreads()) {
            await driver.shutDown()
            _ = answer.give(.success(true))
        }
        let watch = Task {
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            work.cancel()
            _ = answer.give(.success(false))
        }
        _ = await answer.value
        watch.cancel()
    }
}

/// An answer that counts once: whoever gives it first.
private final class SingleAnswer<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, DriverError>?
        var waiter: CheckedContinuation<Result<Value, DriverError>, Never>?
    }
    private let state = Locked(State())

    /// Gives the answer; false when there is one already.
    func give(_ result: Result<Value, DriverError>) -> Bool {
        let (isFirst, waiter) = state.with { state -> (Bool, CheckedContinuation<Result<Value, DriverError>, Never>?) in
            guard state.result == nil else { return (false, nil) }
            state.result = result
            defer { state.waiter = nil }
            return (true, state.waiter)
        }
        waiter?.resume(returning: result)
        return isFirst
    }

    /// The answer, as soon as it is there. For one reader.
    var value: Result<Value, DriverError> {
        get async {
            await withCheckedContinuation { continuation in
                let known = state.with { state in
                    if state.result == nil { state.waiter = continuation }
                    return state.result
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }
}

extension Duration {
    /// For people: `12 s`, `250 ms`.
    var inWords: String {
        let (seconds, attoseconds) = components
        let milliseconds = attoseconds / 1_000_000_000_000_000
        if seconds == 0 { return "\(milliseconds) ms" }
        return seconds < 10 && milliseconds >= 100 ? "\(seconds).\(milliseconds / 100) s" : "\(seconds) s"
    }
}

import ComputeModel
import DriverAPI

/// How a long call ended.
enum TaskEnd: Hashable, Sendable {
    /// What it answered.
    case done(String)
    /// What the server said against it.
    case failed(XenFailure)
    /// It took longer than it was given, and was cancelled.
    case overdue
}

/// Runs calls that take their time as tasks of the server: `Async.*`, then events until they end.
final class XenTasks: Sendable {
    private let client: XenClient
    private struct State {
        var readers: [String: AsyncStream<XenValue>.Continuation] = [:]
    }
    private let state = Locked(State())
    /// Without an event for so long, the task is asked itself.
    private static let patience = Duration.seconds(3)

    init(client: XenClient) { self.client = client }

    /// Takes what an event says about a task.
    func take(_ reference: String, _ record: XenValue) {
        _ = state.with { $0.readers[reference] }?.yield(record)
    }

    /// Carries out a call and waits for its end. Cancelling the caller's task cancels the call, and waits until the
    /// server has ended it.
    ///
    /// - Parameters:
    ///   - limit: after so long the task is cancelled and the end is ``TaskEnd/overdue``; `nil` for no limit.
    ///   - progress: gets the progress in percent.
    func run(
        _ method: String, _ arguments: [XenValue], within limit: Duration? = nil,
        progress: @Sendable (Int) -> Void = { _ in }
    ) async throws(DriverError) -> TaskEnd {
        switch try await client.ask("Async.\(method)", arguments) {
        case .failure(let failure): return .failed(failure)
        case .success(let value):
            guard let reference = value.reference else { throw .failed("XenAPI began \(method) without a task") }
            return try await follow(reference, within: limit, progress: progress)
        }
    }

    /// Waits for the end of a task that is under way, then removes it.
    func follow(_ reference: String, within limit: Duration? = nil, progress: @Sendable (Int) -> Void = { _ in })
        async throws(DriverError) -> TaskEnd
    {
        let (stream, continuation) = AsyncStream.makeStream(of: XenValue.self, bufferingPolicy: .bufferingNewest(1))
        state.with { $0.readers[reference] = continuation }
        defer { state.with { _ = $0.readers.removeValue(forKey: reference) } }
        let clock = ContinuousClock()
        let deadline = limit.map { clock.now + $0 }
        var record = try await look(reference)
        while true {
            if let end = Self.end(record) {
                await remove(reference)
                return end
            }
            if let percent = record["progress"].percent { progress(min(99, percent)) }
            if Task.isCancelled {
                await cancel(reference)
                throw .cancelled
            }
            if let deadline, clock.now >= deadline {
                await cancel(reference)
                return .overdue
            }
            let pause = deadline.map { min($0 - clock.now, Self.patience) } ?? Self.patience
            if let told = await Self.next(of: stream, within: pause) {
                record = told
            } else if !Task.isCancelled {
                record = try await look(reference)
            }
        }
    }

    /// Tells the progress of a task that somebody else waits for, until the caller's task is cancelled.
    func watch(_ reference: String, _ progress: @Sendable (Int) -> Void) async {
        let (stream, continuation) = AsyncStream.makeStream(of: XenValue.self, bufferingPolicy: .bufferingNewest(1))
        state.with { $0.readers[reference] = continuation }
        defer { state.with { _ = $0.readers.removeValue(forKey: reference) } }
        for await record in stream {
            if let percent = record["progress"].percent { progress(min(99, percent)) }
        }
    }

    private func look(_ reference: String) async throws(DriverError) -> XenValue {
        // Also after a cancellation: only the server knows how the call ended.
        let client = client
        let result: Result<XenResult, DriverError> = await Task { () -> Result<XenResult, DriverError> in
            do throws(DriverError) {
                return .success(try await client.ask("task.get_record", [.text(reference)]))
            } catch {
                return .failure(error)
            }
        }.value
        switch try result.get() {
        case .success(let record): return record
        case .failure(let failure):
            // The server forgets tasks when it restarts: nobody can say how this one ended.
            guard failure.code == "HANDLE_INVALID" else { throw failure.driverError("tell of a task") }
            throw .unreachable("XenAPI has forgotten the task \(reference): it was restarted")
        }
    }

    private static func end(_ record: XenValue) -> TaskEnd? {
        switch record["status"].text {
        case "success":
            let text = record["result"].text
            guard text.hasPrefix("<value>"), text.hasSuffix("</value>") else { return .done(text) }
            return .done(String(text.dropFirst("<value>".count).dropLast("</value>".count)))
        case "failure": return .failed(XenFailure(description: record["error_info"].texts))
        case "cancelled": return .failed(XenFailure("TASK_CANCELLED"))
        default: return nil
        }
    }

    private static func next(of stream: AsyncStream<XenValue>, within pause: Duration) async -> XenValue? {
        await withTaskGroup(of: XenValue?.self) { group in
            group.addTask {
                for await value in stream { return value }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: pause)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }

    /// Cancels a task and waits, for a few seconds at most, until the server has ended it.
    private func cancel(_ reference: String) async {
        let client = client
        await Task {
            _ = try? await client.ask("task.cancel", [.text(reference)])
            for _ in 0..<40 {
                guard case .success(let record) = try? await client.ask("task.get_record", [.text(reference)]),
                    Self.end(record) == nil
                else { break }
                try? await Task.sleep(for: .milliseconds(100))
            }
            _ = try? await client.ask("task.destroy", [.text(reference)])
        }.value
    }

    private func remove(_ reference: String) async {
        let client = client
        await Task { _ = try? await client.ask("task.destroy", [.text(reference)]) }.value
    }
}

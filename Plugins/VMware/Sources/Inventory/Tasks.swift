import ComputeModel
import DriverAPI

/// How far a task of the server is.
struct TaskProgress: Hashable, Sendable {
    enum State: Hashable, Sendable {
        case running
        case succeeded(XMLElement?)
        case failed(VimFault)
    }
    let state: State
    /// 0 to 100, where the server says so.
    let percent: Int?

    init(_ values: [String: XMLElement]) {
        percent = values["info.progress"]?.int.map { min(100, max(0, $0)) }
        switch values["info.state"]?.text {
        case "success": state = .succeeded(values["info.result"])
        case "error":
            state = .failed(
                values["info.error"].map { VimFault(localized: $0) } ?? VimFault(type: "", message: "an unknown error"))
        default: state = .running
        }
    }
}

/// Begins tasks and waits for their end.
struct TaskRunner: Sendable {
    let client: VCenterClient
    let watch: InventoryWatch
    let host: any DriverHost
    /// Between looks at a task while it cannot be followed by updates.
    let pollInterval: Duration

    private static let paths = ["info.state", "info.progress", "info.result", "info.error"]
    /// A cancelled caller answers within five seconds, whatever the server does.
    private static let cancelLimit: Duration = .seconds(4)

    /// For whom a task is done, for progress reports.
    struct Purpose: Sendable {
        let guest: GuestID
        let phase: String
    }

    /// Calls a method that answers with a task and waits until that has ended. When the caller is cancelled, so is
    /// the task.
    ///
    /// - Parameter onBegin: told which task it is.
    /// - Returns: the task's result.
    @discardableResult
    func run(
        _ method: String, _ this: ManagedReference, _ arguments: [XMLElement] = [], _ purpose: Purpose? = nil,
        onBegin: (ManagedReference) -> Void = { _ in }
    ) async throws(VimFailure) -> XMLElement? {
        let answer = try await client.call(method, this, arguments)
        guard let task = answer["returnval"]?.reference else {
            throw .driver(.failed("vCenter \(client.endpoint.authority) answers \(method) without a task"))
        }
        onBegin(task)
        do throws(VimFailure) {
            return try await finish(task, "\(method) of \(this)", purpose)
        } catch {
            guard case .driver(.cancelled) = error else { throw error }
            await cancel(task)
            throw error
        }
    }

    private func finish(
        _ task: ManagedReference, _ what: String, _ purpose: Purpose?
    ) async throws(VimFailure) -> XMLElement? {
        while true {
            // Most tasks have ended before one can look; the first look spares them the rest.
            if let result = try ended(try await look(task), what) { return result.value }
            let updates = await watch.follow(task)
            var isLost = false
            for await update in updates {
                guard let update else {
                    isLost = true
                    break
                }
                if let purpose, let percent = update.percent {
                    host.report(DriverProgress(guest: purpose.guest, phase: purpose.phase, percent: percent))
                }
                // Only what changed is told; the whole is read when it has ended.
                if case .running = update.state { continue }
                break
            }
            await watch.unfollow(task)
            if Task.isCancelled { throw .driver(.cancelled) }
            if isLost { do { try await Task.sleep(for: pollInterval) } catch { throw .driver(.cancelled) } }
        }
    }

    private struct Result {
        let value: XMLElement?
    }

    private func ended(_ progress: TaskProgress, _ what: String) throws(VimFailure) -> Result? {
        switch progress.state {
        case .running: nil
        case .succeeded(let value): Result(value: value)
        case .failed(let fault): throw .fault(fault, during: what)
        }
    }

    private func look(_ task: ManagedReference) async throws(VimFailure) -> TaskProgress {
        TaskProgress(try await client.properties(Self.paths, of: task).values)
    }

    /// Asks the server to end a task and gives it a while, in a task of its own, because the caller is cancelled.
    private func cancel(_ task: ManagedReference) async {
        await Task {
            _ = try? await client.call("CancelTask", task, timeout: .seconds(2))
            let clock = ContinuousClock()
            let deadline = clock.now + Self.cancelLimit
            while clock.now < deadline {
                do throws(VimFailure) {
                    if case .running = try await look(task).state {} else { return }
                } catch {
                    return
                }
                try? await Task.sleep(for: .milliseconds(100))
            }
            host.log(.warning, "task does not end", ["task": task.value, "server": client.endpoint.authority])
        }.value
    }
}

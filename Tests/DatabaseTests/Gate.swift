import Database
import Glibc

/// Keeps a database thread busy until it is opened.
final class Gate: Sendable {
    private let state = Locked((hasArrived: false, isOpen: false))

    /// Blocks the thread that calls it.
    func hold() {
        state.withLock { $0.hasArrived = true }
        while !state.withLock({ $0.isOpen }) { usleep(200) }
    }

    func open() {
        state.withLock { $0.isOpen = true }
    }

    /// Returns once somebody is held.
    func arrival() async {
        while !state.withLock({ $0.hasArrived }) { await Task.yield() }
    }
}

/// Runs transactions that were all queued while the writer was busy, so that they form one group.
func runAsGroup(
    _ database: SQLDatabase, _ bodies: [@Sendable (SQLConnection) throws -> Void]
) async -> [Result<Void, any Error>] {
    let gate = Gate()
    let holder = Task { try await database.transaction { _ in gate.hold() } }
    await gate.arrival()
    let tasks = bodies.map { body in
        Task { try await database.transaction(body) }
    }
    for _ in 0..<500 { await Task.yield() }
    gate.open()
    _ = await holder.result
    var results: [Result<Void, any Error>] = []
    for task in tasks { results.append(await task.result) }
    return results
}

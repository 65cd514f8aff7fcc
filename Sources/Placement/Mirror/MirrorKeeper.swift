import Database
import Synchronization

/// Holds the mirror and brings it up to date: with what this process commits, and, when it missed a number, with what
/// the tables say.
final class MirrorKeeper: Sendable {
    private struct State {
        var mirror = ProviderMirror()
        var isLoaded = false
        /// Committed changes whose predecessors have not arrived yet.
        var early: [Int64: MirrorChange] = [:]
    }

    private let state = Mutex(State())
    private let database: SQLDatabase

    init(_ database: SQLDatabase) {
        self.database = database
    }

    /// The image as of now.
    var mirror: ProviderMirror { state.withLock { $0.mirror } }

    /// Takes over a committed change. When it returns, the mirror holds it and everything before it.
    func take(_ change: MirrorChange) async throws {
        let isNext = state.withLock { state in
            guard change.sequence > state.mirror.sequence else { return true }
            state.early[change.sequence] = change
            Self.applyEarly(&state)
            return state.mirror.sequence >= change.sequence
        }
        // Another transaction was numbered before this one and its change is not here yet: do not wait for it.
        if !isNext { try await catchUp() }
    }

    /// Reads what the tables have and the mirror lacks.
    func catchUp() async throws {
        let since = state.withLock { $0.isLoaded ? $0.mirror.sequence : nil }
        let reload = try await database.read { try PlacementReading.changes($0, since: since) }
        state.withLock { state in
            if reload.isWhole {
                guard !state.isLoaded || reload.change.sequence >= state.mirror.sequence else { return }
                state.mirror = ProviderMirror()
                state.isLoaded = true
            }
            if reload.change.sequence >= state.mirror.sequence { state.mirror.apply(reload.change) }
            Self.applyEarly(&state)
        }
    }

    private static func applyEarly(_ state: inout State) {
        while let next = state.early.removeValue(forKey: state.mirror.sequence + 1) { state.mirror.apply(next) }
        if !state.early.isEmpty {
            let applied = state.mirror.sequence
            state.early = state.early.filter { $0.key > applied }
        }
    }
}

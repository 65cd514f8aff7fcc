import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// All that a fake node holds, with one writer: a change is written to the journal before anybody sees it, and changes
/// come one after the other.
final class GuestWorld: Sendable {
    /// The journal is written anew when it is this much longer than what it must hold; so a rewrite costs each change
    /// little, however many there are.
    private static let garbageMax = 8 << 20

    private struct State {
        var world = WorldState()
        var journal: Journal?
        /// The journal's length when it was last written anew.
        var lengthThen = 0
    }
    private let state: Locked<State>
    /// Where root disks lie that other nodes see too; `nil` keeps them in the world.
    let sharedFolder: SharedFolder?

    /// - Parameter path: of the journal; `nil` keeps everything in memory.
    init(journal path: String?, sharedFolder: SharedFolder?) throws(DriverError) {
        self.sharedFolder = sharedFolder
        var state = State()
        if let path {
            let (world, needsRewriting) = Journal.read(path)
            state.world = world
            do throws(DriverError) {
                state.journal =
                    needsRewriting
                    ? try Journal(rewriting: path, world.changes) : try Journal(continuing: path)
            } catch {
                throw .badConfiguration(error.message)
            }
            state.lengthThen = state.journal?.length ?? 0
        }
        self.state = Locked(state)
    }

    /// Looks at the world as it is at one moment.
    func read<Answer: Sendable>(_ body: (WorldState) -> Answer) -> Answer { state.with { body($0.world) } }

    subscript(guest: GuestID) -> FakeGuest? { state.with { $0.world.guests[guest] } }

    /// Looks whether something is possible as the world is at one moment; throws why not.
    func check(_ body: (WorldState) throws(DriverError) -> Void) throws(DriverError) {
        try change { (state, _) throws(DriverError) in try body(state) }
    }

    /// Changes the world: `body` sees it as it is and fills in the change, which is then carried out whole. If it
    /// throws, nothing has changed.
    func change<Answer: Sendable>(
        _ body: (WorldState, inout WorldChange) throws(DriverError) -> Answer
    ) throws(DriverError) -> Answer {
        let result: Result<Answer, DriverError> = state.with { state in
            do throws(DriverError) {
                var change = WorldChange()
                let answer = try body(state.world, &change)
                if change != WorldChange() { try carryOut(change, &state) }
                return .success(answer)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func carryOut(_ change: WorldChange, _ state: inout State) throws(DriverError) {
        var rest = change
        if let sharedFolder {
            for disk in change.disks ?? [] where disk.name.role == .root { try sharedFolder.write(disk) }
            rest.disks?.removeAll { $0.name.role == .root }
        }
        try state.journal?.append(rest)
        state.world.apply(rest)
        if let sharedFolder {
            for name in change.disksRemoved ?? [] where name.role == .root { try sharedFolder.remove(name) }
        }
        if let journal = state.journal, journal.length > state.lengthThen * 2 + Self.garbageMax {
            shorten(journal, &state)
        }
    }

    /// Writes the journal anew without what is over. Where that cannot be, the old one goes on, as the change that made
    /// it too long stands in it.
    private func shorten(_ old: Journal, _ state: inout State) {
        do throws(DriverError) {
            state.journal = try Journal(rewriting: old.path, state.world.changes)
            var closing = old
            closing.close()
        } catch {
            // Not tried again before it has grown as much once more.
        }
        state.lengthThen = state.journal?.length ?? 0
    }

    /// A guest's disk; `nil` when it has none.
    func disk(_ name: DiskName) throws(DriverError) -> FakeDisk? {
        if let sharedFolder, name.role == .root { return try sharedFolder.read(name) }
        return read { $0.disks[name] }
    }

    /// Ends the journal. Later changes are refused.
    func close() { state.with { $0.journal?.close() } }
}

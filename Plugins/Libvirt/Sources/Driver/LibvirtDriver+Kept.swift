import ComputeModel
import DriverAPI
import DriverSupport

extension LibvirtDriver {
    /// How a guest of ours is when its turn has come.
    struct Held: Sendable {
        var power: PowerState
        /// Whether it has a process now.
        var isActive: Bool
        /// Whether its memory is on disk: then changes of the definition would not be seen.
        var isSaved: Bool { power == .suspended && !isActive }
    }

    /// Runs `body` alone with a guest of ours, unless the call is late.
    func changing<Value: Sendable>(
        _ guest: GuestID, _ call: DriverCall, _ body: (Held) async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        try await alone(with: guest) { () async throws(DriverError) -> Value in
            try await self.admit(call, guest)
            return try await body(try await self.held(guest))
        }
    }

    /// The guest, defined again where libvirt has lost it.
    func held(_ guest: GuestID) async throws(DriverError) -> Held {
        switch try await presence(of: guest) {
        case .foreign(let name): throw Self.foreign(guest, name)
        case .absent: try await defineAgain(guest)
        case .ours: break
        }
        return try await session.read(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
            return Held(power: try domain.powerState(), isActive: domain.isActive)
        }
    }

    /// Gives libvirt the definition in force.
    func defineAgain(_ guest: GuestID) async throws(DriverError) {
        let directory = directory(of: guest)
        let kept: String? = await threads.run {
            guard directory.record()?.complete != false else { return nil }
            return try? readText(directory.definitionInForce, bytesMax: 1 << 20)
        }
        guard let kept else { throw .noSuchGuest(guest) }
        try await session.change(guest) { connection throws(LibvirtFailure) in
            try connection.define(kept)
            return
        }
    }

    /// The definition kept for the guest as it usually is.
    func keptDocument(_ guest: GuestID) async throws(DriverError) -> GuestDocument {
        try await document(directory(of: guest).definition, guest)
    }

    private func document(_ path: String, _ guest: GuestID) async throws(DriverError) -> GuestDocument {
        let text: String? = await threads.run { try? readText(path, bytesMax: 1 << 20) }
        guard let text else { throw .noSuchGuest(guest) }
        do throws(XMLReader.Failure) {
            return GuestDocument(try XMLReader.parse(text))
        } catch {
            throw .failed("the definition \(path) cannot be read: \(error.reason) at byte \(error.offset)")
        }
    }

    /// A document of libvirt's.
    func document(of guest: GuestID, _ kind: LibvirtDomain.Document) async throws(DriverError) -> GuestDocument {
        try await session.read(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
            return GuestDocument(try domain.xml(kind))
        }
    }

    /// Changes what is kept of a guest, that for its time in rescue too, and what libvirt will start next. If it
    /// throws, all is as before.
    func changeKept(
        _ guest: GuestID, _ change: (inout GuestDocument) throws(DriverError) -> Void
    ) async throws(DriverError) {
        let directory = directory(of: guest)
        let paths = await threads.run {
            [directory.definition, directory.rescueDefinition].filter { exists($0) }
        }
        var before: [String: String] = [:]
        var after: [String: String] = [:]
        for path in paths {
            var document = try await document(path, guest)
            before[path] = document.root.serialized
            try change(&document)
            after[path] = document.root.serialized
        }
        let (old, new) = (before, after)
        do throws(DriverError) {
            // First the files: if the process dies in between, the next start from them brings libvirt along.
            try await write(new)
            try await defineAgain(guest)
        } catch {
            try? await write(old)
            throw error
        }
        await keepAsExpanded(guest)
    }

    private func write(_ texts: [String: String]) async throws(DriverError) {
        try await files { () throws(FileFailure) in
            for (path, text) in texts { try writeDurably(Array(text.utf8), to: path) }
        }
    }

    /// Keeps the definition in force as libvirt has filled it in, so that devices keep their places on their buses
    /// whatever comes and goes later. Without that the guest works as well, so nothing is thrown.
    func keepAsExpanded(_ guest: GuestID) async {
        guard let document = try? await document(of: guest, .kept) else { return }
        let directory = directory(of: guest)
        let text = document.root.serialized
        try? await files { () throws(FileFailure) in
            try writeDurably(Array(text.utf8), to: directory.definitionInForce)
        }
    }

    /// Runs a long call of libvirt's. When the task is cancelled, the guest's job is aborted, and the call fails.
    func abortable(
        _ guest: GuestID, _ body: @escaping @Sendable (LibvirtConnection) throws(LibvirtFailure) -> Void
    ) async throws(DriverError) {
        let (failure, wasStopped) = await stoppable(guest, body) { domain throws(LibvirtFailure) in
            try domain.abortJob()
        }
        if let failure { throw wasStopped ? .cancelled : failure }
    }

    /// Runs a call of libvirt's that another call ends: when the task is cancelled, that one is made again and again
    /// until the first has ended.
    ///
    /// - Returns: how the call failed, if it did, and whether `stop` was called, with its last call behind it. The call
    ///   may have succeeded all the same.
    func stoppable(
        _ guest: GuestID, _ body: @escaping @Sendable (LibvirtConnection) throws(LibvirtFailure) -> Void,
        stop: @escaping @Sendable (borrowing LibvirtDomain) throws(LibvirtFailure) -> Void
    ) async -> (failure: DriverError?, wasStopped: Bool) {
        let stopper = Stopper()
        let session = session
        let failure: DriverError? = await withTaskCancellationHandler {
            do throws(DriverError) {
                try await session.change(guest, body)
                return nil
            } catch {
                return error
            }
        } onCancel: {
            stopper.begin {
                try? await session.change(guest) { connection throws(LibvirtFailure) in
                    if let domain = try connection.domain(guest) { try stop(domain) }
                }
            }
        }
        return (failure, await stopper.end())
    }

    /// What stops a call whose task was cancelled.
    private final class Stopper: Sendable {
        private struct State {
            var isOver = false
            var work: Task<Void, Never>?
        }
        private let state = Locked(State())

        func begin(_ stop: @escaping @Sendable () async -> Void) {
            state.with { state in
                guard !state.isOver else { return }
                state.work = Task {
                    while !self.state.with({ $0.isOver }) {
                        await stop()
                        try? await Task.sleep(for: .milliseconds(100))
                    }
                }
            }
        }

        func end() async -> Bool {
            let work = state.with { state in
                state.isOver = true
                return state.work
            }
            await work?.value
            return work != nil
        }
    }

    /// Waits a moment; a cancelled task ends the wait.
    func pause(_ duration: Duration = .milliseconds(200)) async throws(DriverError) {
        do { try await Task.sleep(for: duration) } catch { throw .cancelled }
    }
}

import ComputeModel
import DriverAPI
import DriverSupport

/// The connection that is always there, or on its way back: keeps one ``LibvirtConnection``, opens a new one with
/// growing pauses when it ends, and tells the agent through the health stream.
///
/// Calls run on threads of their own, as many as a daemon serves for one client at a time.
final class LibvirtSession: Sendable {
    /// Healthy while connected.
    let health = NewestValueBroadcast<DriverHealth>()
    /// Life-cycle events of all guests; `missed` after each reconnection.
    let events = GuestEventBroadcast()
    private let uri: String
    private let threads: BlockingThreads
    private let pauses: Pauses
    private let log: @Sendable (DriverLogLevel, String, [String: String]) -> Void
    private let state = Locked(State.disconnected("not connected yet"))
    private let reconnected = Locked<(@Sendable () -> Void)?>(nil)

    private enum State: Sendable {
        case connected(LibvirtConnection, number: Int, endWatch: @Sendable (LibvirtConnection) -> Void)
        case disconnected(String)
        case closed
    }

    /// Pauses between attempts to connect: doubled from the first to the longest.
    struct Pauses: Sendable {
        var first: Duration = .milliseconds(250)
        var longest: Duration = .seconds(15)
    }

    /// A session, not yet connected.
    init(
        uri: String, threads: BlockingThreads, pauses: Pauses = Pauses(),
        log: @escaping @Sendable (DriverLogLevel, String, [String: String]) -> Void
    ) {
        self.uri = uri
        self.threads = threads
        self.pauses = pauses
        self.log = log
    }

    /// Connects for the first time.
    func open() async throws(DriverError) {
        do throws(LibvirtFailure) {
            try await connect(number: 1)
        } catch {
            throw .unreachable(
                "\(error.message). Is libvirtd (or virtqemud) running, may this user use it, and is "
                    + "[libvirt] connection_uri right?")
        }
    }

    /// What to do after each later connection.
    func onReconnection(_ body: @escaping @Sendable () -> Void) { reconnected.with { $0 = body } }

    private func connect(number: Int) async throws(LibvirtFailure) {
        let connection: LibvirtConnection = try await threads.run { [uri] () throws(LibvirtFailure) in
            try LibvirtConnection(uri: uri)
        }
        let watch = LibvirtConnection.Watch(
            lifeCycle: { [events] guest, event, detail in
                guard let power = PowerState.after(libvirtEvent: event, detail: detail) else { return }
                events.send(.power(guest, power))
            },
            closed: { [weak self] reason in self?.lost(number: number, reason) })
        let endWatch = try await threads.run { () throws(LibvirtFailure) in try connection.begin(watch) }
        let accepted = state.with { state in
            if case .closed = state { return false }
            state = .connected(connection, number: number, endWatch: endWatch)
            return true
        }
        guard accepted else {
            threads.start { endWatch(connection) }
            return
        }
        // First, so that who hears that all is well again has heard that something may have passed unseen.
        if number > 1 { events.send(.missed) }
        health.send(.healthy)
        // The daemon may have gone between opening and watching, when nobody was told.
        let isAlive = await threads.run { connection.isAlive }
        if !isAlive { lost(number: number, "the connection to libvirt ended at once") }
    }

    /// Notes that connection `number` is gone and begins to open another. Later calls for the same one do nothing.
    private func lost(number: Int, _ reason: String) {
        let old: (LibvirtConnection, @Sendable (LibvirtConnection) -> Void)? = state.with { state in
            guard case .connected(let connection, number, let endWatch) = state else { return nil }
            state = .disconnected(reason)
            return (connection, endWatch)
        }
        guard let old else { return }
        log(.warning, "libvirt connection lost", ["reason": reason, "uri": uri])
        health.send(.unhealthy("\(reason); trying again"))
        threads.start { old.1(old.0) }
        Task { [weak self] in await self?.reconnect(after: number) }
    }

    private func reconnect(after number: Int) async {
        var pause = pauses.first
        while true {
            do { try await Task.sleep(for: pause) } catch { return }
            if state.with({ if case .closed = $0 { true } else { false } }) { return }
            do throws(LibvirtFailure) {
                try await connect(number: number + 1)
                guard case .connected = state.with({ $0 }) else { return }
                log(.info, "libvirt connection restored", ["uri": uri])
                reconnected.with { $0 }?()
                return
            } catch {
                pause = min(pause * 2, pauses.longest)
                health.send(.unhealthy("\(error.message); trying again in \(pause)"))
            }
        }
    }

    /// Runs a call that changes something and waits for it even when the task is cancelled.
    ///
    /// - Parameter guest: named in the error when libvirt does not know it.
    func change<Value: Sendable>(
        _ guest: GuestID? = nil, _ body: @escaping @Sendable (LibvirtConnection) throws(LibvirtFailure) -> Value
    ) async throws(DriverError) -> Value {
        let (connection, number) = try current()
        do throws(LibvirtFailure) {
            return try await threads.run { () throws(LibvirtFailure) in try body(connection) }
        } catch {
            throw handled(error, guest, number)
        }
    }

    /// Runs a call that only reads; a cancelled task does not wait for it.
    func read<Value: Sendable>(
        _ guest: GuestID? = nil, _ body: @escaping @Sendable (LibvirtConnection) throws(LibvirtFailure) -> Value
    ) async throws(DriverError) -> Value {
        let (connection, number) = try current()
        let value: Value?
        do throws(LibvirtFailure) {
            value = try await threads.runUnlessCancelled { () throws(LibvirtFailure) in try body(connection) }
        } catch {
            throw handled(error, guest, number)
        }
        guard let value else { throw .cancelled }
        return value
    }

    private func current() throws(DriverError) -> (LibvirtConnection, Int) {
        switch state.with({ $0 }) {
        case .connected(let connection, let number, _): return (connection, number)
        case .disconnected(let reason): throw .unreachable("libvirt at \(uri) cannot be reached: \(reason)")
        case .closed: throw .unreachable("the driver is shut down")
        }
    }

    private func handled(_ failure: LibvirtFailure, _ guest: GuestID?, _ number: Int) -> DriverError {
        if failure.isLostConnection { lost(number: number, failure.text) }
        return failure.driverError(for: guest)
    }

    /// Ends connection and streams.
    func close() async {
        let old: (LibvirtConnection, @Sendable (LibvirtConnection) -> Void)? = state.with { state in
            defer { state = .closed }
            guard case .connected(let connection, _, let endWatch) = state else { return nil }
            return (connection, endWatch)
        }
        if let old { await threads.run { old.1(old.0) } }
        health.finish()
        events.finish()
    }
}

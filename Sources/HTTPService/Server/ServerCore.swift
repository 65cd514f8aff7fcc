import Logging
import NIOConcurrencyHelpers

/// What all connections of a server share: the responder, the limits, and the books about what is open and running.
final class ServerCore: Sendable {
    let responder: any HTTPResponder
    let options: HTTPServerOptions
    let accessLog: (@Sendable (AccessRecord) -> Void)?
    let logger: Logger
    let fixedFields: FixedFields
    /// The options' time-outs in the unit of the event loop.
    let idleTimeout: TimeAmount
    let headerTimeout: TimeAmount
    let stallTimeout: TimeAmount

    private struct Books {
        var connections: [ObjectIdentifier: ConnectionLink] = [:]
        var tasks = 0
        var isDraining = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let books = NIOLockedValueBox(Books())

    init(
        responder: any HTTPResponder, options: HTTPServerOptions, logger: Logger,
        accessLog: (@Sendable (AccessRecord) -> Void)?
    ) {
        (self.responder, self.options, self.logger, self.accessLog) = (responder, options, logger, accessLog)
        fixedFields = FixedFields(unixTime: options.unixTime, serverName: options.serverName)
        idleTimeout = TimeAmount(options.idleTimeout)
        headerTimeout = TimeAmount(options.headerTimeout)
        stallTimeout = TimeAmount(options.stallTimeout)
    }

    /// The outcome of `enter`.
    enum Admission {
        case admitted
        /// Too many connections.
        case full
        /// The server is shutting down.
        case draining
    }

    /// Books a new connection. A refused one is booked too, until its refusal is sent.
    func enter(_ link: ConnectionLink) -> Admission {
        books.withLockedValue { books in
            books.connections[link.id] = link
            if books.isDraining { return .draining }
            return books.connections.count > options.connectionsMax ? .full : .admitted
        }
    }

    func leave(_ link: ConnectionLink) { settle { $0.connections[link.id] = nil } }

    func taskStarted() { books.withLockedValue { $0.tasks += 1 } }

    func taskEnded() { settle { $0.tasks -= 1 } }

    private func settle(_ change: (inout Books) -> Void) {
        let waiters = books.withLockedValue { books -> [CheckedContinuation<Void, Never>] in
            change(&books)
            guard books.connections.isEmpty, books.tasks == 0, !books.waiters.isEmpty else { return [] }
            defer { books.waiters = [] }
            return books.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The open connections of a listener, or of all.
    func connections(of tag: String?) -> [ConnectionLink] {
        books.withLockedValue { books in books.connections.values.filter { tag == nil || $0.listenerTag == tag } }
    }

    /// From now on new connections are refused.
    func startDraining() { books.withLockedValue { $0.isDraining = true } }

    /// What is still open or running.
    var remaining: (connections: Int, tasks: Int) { books.withLockedValue { ($0.connections.count, $0.tasks) } }

    /// Waits until nothing is open and nothing runs, at most that long. False: the time is over.
    func waitUntilQuiet(atMost limit: Duration) async -> Bool {
        let timer = Task { [weak self] in
            do { try await Task.sleep(for: limit) } catch { return }
            self?.releaseWaiters()
        }
        defer { timer.cancel() }
        await withCheckedContinuation { continuation in
            let isQuiet = books.withLockedValue { books in
                if books.connections.isEmpty, books.tasks == 0 { return true }
                books.waiters.append(continuation)
                return false
            }
            if isQuiet { continuation.resume() }
        }
        return remaining == (0, 0)
    }

    private func releaseWaiters() {
        let waiters = books.withLockedValue { books in
            defer { books.waiters = [] }
            return books.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

import DriverAPI
import Glibc
import Logging
import Messaging

/// What is done on a connection. Made and called on the link's own thread only.
protocol LinkRole: AnyObject, SendableMetatype {
    associatedtype Command: Sendable
    /// A connection is there: declare, consume, publish what waited.
    func opened(_ session: Session) throws(SessionError)
    /// A command came; nil: there is no connection now.
    func perform(_ command: Command, _ session: Session?) throws(SessionError)
    /// Something arrived.
    func received(_ event: SessionEvent, _ session: Session) throws(SessionError)
    /// The connection is gone.
    func lost(_ reason: String)
    /// Looks after deadlines.
    ///
    /// - Returns: when to look again at the latest.
    func tick(_ now: ContinuousClock.Instant, _ session: Session?) throws(SessionError) -> ContinuousClock.Instant?
    /// True while there is something to write as soon as the socket takes it.
    var wantsToWrite: Bool { get }
    /// The link ends: fail what waits.
    func ended(_ session: Session?)
}

/// A connection that is kept up: a thread connects to one broker of the list after the other, works for its role, and
/// connects again when the connection is lost.
final class BrokerLink<Role: LinkRole>: Sendable {
    enum Command: Sendable {
        case role(Role.Command)
        case stop
    }
    private struct Watch: Sendable {
        /// What keeps the link from working, nil while it works.
        var trouble: String? = "not connected to a message broker yet"
        var isFirst = true
        var isStarted = false
        var connections = 0
    }
    private let settings: BrokerSettings
    private let name: String
    private let logger: Logger
    private let mailbox = Mailbox<Command>()
    private let watch = Locked(Watch())
    private let first = Waiting<SessionError?>()
    private let finished = Waiting<Bool>()
    private let reconnected: @Sendable () -> Void

    /// - Parameters:
    ///   - name: what the connection is for, in the broker's list and in logs.
    ///   - reconnected: called after a connection was replaced by a new one. Must return at once.
    init(
        _ name: String, _ settings: BrokerSettings, logger: Logger, reconnected: @escaping @Sendable () -> Void = {}
    ) {
        (self.name, self.settings, self.logger) = (name, settings, logger)
        self.reconnected = reconnected
    }

    /// Starts the thread and waits for the first connection.
    ///
    /// - Throws: when no broker of the list lets this process in, or none is there for as long as settings allow.
    func start(_ role: @escaping @Sendable () -> Role) async throws(SessionError) {
        watch.with { $0.isStarted = true }
        let isStarted = EventThread.start { self.run(role()) }
        guard isStarted else {
            first.resume(nil)
            finished.resume(true)
            throw SessionError(.ended, "the system has no thread for the connection to the message broker")
        }
        if let error = await first.value() { throw error }
    }

    /// What keeps the link from working; nil while it works.
    var trouble: String? { watch.with(\.trouble) }

    @discardableResult
    func send(_ command: Role.Command) -> Bool { mailbox.send(.role(command)) }

    /// Ends the connection, after what was sent before, and the thread.
    func stop() async {
        guard watch.with(\.isStarted) else { return }
        mailbox.send(.stop)
        _ = await finished.value()
    }

    // MARK: On the thread

    private func run(_ role: Role) {
        let begun = ContinuousClock.now
        var pause = Duration.milliseconds(50)
        var isStopped = false
        while !isStopped {
            do throws(SessionError) {
                let session = try connect()
                try role.opened(session)
                pause = .milliseconds(50)
                noteOpen(session)
                isStopped = try serve(role, session)
            } catch {
                role.lost(error.description)
                if note(error, since: begun) { break }
                isStopped = rest(role, pause)
                pause = min(pause * 2, settings.retryPauseMax)
            }
        }
        role.ended(nil)
        for command in mailbox.shut() {
            if case .role(let command) = command { try? role.perform(command, nil) }
        }
        role.ended(nil)
        first.resume(SessionError(.ended, "the connection to the message broker was closed"))
        finished.resume(true)
    }

    /// Tries every broker of the list once.
    private func connect() throws(SessionError) -> Session {
        var refusals: [SessionError] = []
        for broker in settings.url.brokers {
            do throws(SessionError) {
                return try Session.open(broker, settings, role: name)
            } catch {
                refusals.append(error)
            }
        }
        // A broker that is there and says no is a better reason than one that is not there.
        let kind = refusals.allSatisfy(\.needsOperator) ? refusals.first?.kind ?? .unreachable : .unreachable
        throw SessionError(kind, refusals.map(\.description).joined(separator: "; "))
    }

    private func noteOpen(_ session: Session) {
        let (isFirst, hadTrouble) = watch.with { watch in
            let before = (watch.isFirst, watch.trouble != nil)
            (watch.trouble, watch.isFirst) = (nil, false)
            watch.connections += 1
            return before
        }
        if isFirst {
            logger.info("connected to the message broker", metadata: ["broker": "\(session.name)", "for": "\(name)"])
        } else if hadTrouble {
            logger.notice(
                "connected to the message broker again", metadata: ["broker": "\(session.name)", "for": "\(name)"])
        }
        first.resume(nil)
        if !isFirst { reconnected() }
    }

    /// - Returns: true when the link gives up: it was never connected, and waiting does not help.
    private func note(_ error: SessionError, since begun: ContinuousClock.Instant) -> Bool {
        let (isFirst, isNews) = watch.with { watch in
            let isNews = watch.trouble != error.description
            watch.trouble = error.description
            return (watch.isFirst, isNews)
        }
        if isNews {
            logger.log(
                level: error.needsOperator || error.kind == .otherProperties ? .error : .warning,
                "no connection to a message broker", metadata: ["for": "\(name)", "reason": "\(error.description)"])
        }
        guard isFirst, error.needsOperator || .now - begun > settings.startPatience else { return false }
        first.resume(error)
        return true
    }

    /// Works until the connection is lost.
    ///
    /// - Returns: true when the link is to end.
    private func serve(_ role: Role, _ session: Session) throws(SessionError) -> Bool {
        let beat = settings.heartbeatSeconds > 0 ? Duration.milliseconds(500) : .seconds(30)
        while true {
            while let event = try session.next() { try role.received(event, session) }
            for command in mailbox.take() {
                switch command {
                case .role(let command): try role.perform(command, session)
                case .stop:
                    role.ended(session)
                    session.close()
                    return true
                }
            }
            // Calls that waited for an answer may have left frames in the library's queue.
            while let event = try session.next() { try role.received(event, session) }
            let now = ContinuousClock.now
            let next = try role.tick(now, session) ?? now + beat
            wait(for: session, wantsToWrite: role.wantsToWrite, at: min(beat, next - now))
        }
    }

    private func wait(for session: Session, wantsToWrite: Bool, at most: Duration) {
        var polled = [
            pollfd(fd: session.descriptor, events: Int16(wantsToWrite ? POLLIN | POLLOUT : POLLIN), revents: 0),
            pollfd(fd: mailbox.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = Int32(clamping: Int64((most / .milliseconds(1)).rounded(.up)))
        _ = poll(&polled, 2, max(0, milliseconds))
    }

    /// Waits before the next attempt, taking commands meanwhile.
    ///
    /// - Returns: true when the link is to end.
    private func rest(_ role: Role, _ pause: Duration) -> Bool {
        let end = ContinuousClock.now + pause
        repeat {
            for command in mailbox.take() {
                switch command {
                case .role(let command): try? role.perform(command, nil)
                case .stop: return true
                }
            }
            let now = ContinuousClock.now
            let next = (try? role.tick(now, nil)) ?? nil
            var polled = [pollfd(fd: mailbox.descriptor, events: Int16(POLLIN), revents: 0)]
            let most = min(end, next ?? end) - now
            _ = poll(&polled, 1, max(0, Int32(clamping: Int64((most / .milliseconds(1)).rounded(.up)))))
        } while ContinuousClock.now < end
        return false
    }
}

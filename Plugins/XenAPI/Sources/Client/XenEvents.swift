import DriverAPI

/// Something that happened to an object of the pool.
struct XenEvent: Hashable, Sendable {
    enum Operation: Hashable, Sendable { case changed, removed }
    /// Class in lower case: `vm`, `task`, `sr`.
    let kind: String
    let operation: Operation
    let reference: String
    /// The object as it is now; nothing for one that was removed.
    let record: XenValue
}

/// Waits for events of the pool, for ever, and says when the pool cannot be reached.
final class XenEvents: Sendable {
    /// What is told to the owner.
    enum News: Sendable {
        /// Everything from the start: what was known before is forgotten.
        case everything([XenEvent])
        case changes([XenEvent])
        /// There is no answer, and why.
        case trouble(DriverError)
    }
    private static let classes: [XenValue] = ["vm", "task", "host", "sr", "pool"]
    private let client: XenClient
    private let waiting: Duration

    /// - Parameter waiting: how long the server holds an answer back while nothing happens.
    init(client: XenClient, waiting: Duration = .seconds(30)) { (self.client, self.waiting) = (client, waiting) }

    /// Tells news until the task is cancelled.
    func run(_ tell: @Sendable (News) async -> Void) async {
        var token = ""
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            let asked = ContinuousClock.now
            do throws(DriverError) {
                let result = try await client.ask(
                    "event.from", [.list(Self.classes), .text(token), .number(token.isEmpty ? 5 : seconds)],
                    timeout: waiting + .seconds(30), isWaiting: true)
                switch result {
                case .success(let answer):
                    let events = Self.events(answer)
                    let isFirst = token.isEmpty
                    token = answer["token"].text
                    pause = .milliseconds(100)
                    await tell(isFirst ? .everything(events) : .changes(events))
                    // A server that answers at once although nothing has happened must not keep a processor busy.
                    if events.isEmpty, ContinuousClock.now - asked < .seconds(1) {
                        try? await Task.sleep(for: .milliseconds(250))
                    }
                    continue
                case .failure(let failure):
                    // The server kept too few events for us, or was restarted: begin anew.
                    if failure.code == "EVENTS_LOST" || failure.code == "EVENT_FROM_TOKEN_PARSE_FAILURE" {
                        guard !token.isEmpty else { throw failure.driverError("tell of events") }
                        token = ""
                        continue
                    }
                    throw failure.driverError("tell of events")
                }
            } catch {
                if Task.isCancelled { return }
                token = ""
                await tell(.trouble(error))
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(10))
        }
    }

    private var seconds: Double {
        let (seconds, attoseconds) = waiting.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    private static func events(_ answer: XenValue) -> [XenEvent] {
        answer["events"].list.map { event in
            XenEvent(
                kind: event["class"].text.lowercased(),
                operation: event["operation"].text == "del" ? .removed : .changed, reference: event["ref"].text,
                record: event["snapshot"])
        }
    }
}

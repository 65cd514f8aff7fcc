import Dispatch
package import Logging

/// Runs programs of the host: by argument list, never through a shell; each with a time-out; a few at a time.
///
/// A command waits on a thread of its own, so the cooperative pool is never blocked.
package struct HostCommand: Sendable {
    /// What a command wrote.
    package struct Output: Sendable {
        package let standardOutput: [UInt8]
        package let standardError: String
        package var text: String { String(decoding: standardOutput, as: UTF8.self) }
    }

    /// The host whose programs run.
    package let place: HostPlace
    private let logger: Logger
    private let turns: Turns
    /// Asked before every command; what it answers is the command's failure. For tests of what a failure leaves.
    private let obstacle: (@Sendable ([String]) -> HostCommandFailure?)?
    private static let threads = DispatchQueue(label: "network-agent.commands", attributes: .concurrent)
    static let searchPath = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"]

    /// A runner for the programs of this host, of which at most `width` run at the same time.
    package init(
        place: HostPlace, logger: Logger, width: Int = 4,
        obstacle: (@Sendable ([String]) -> HostCommandFailure?)? = nil
    ) {
        (self.place, self.logger, self.turns, self.obstacle) = (place, logger, Turns(width: width), obstacle)
    }

    /// Runs a program to its end and answers what it wrote.
    ///
    /// - Throws: a failure also when it ends with a status other than 0.
    @discardableResult
    package func run(
        _ arguments: [String], input: String = "", timeout: Duration = .seconds(20)
    ) async throws(HostCommandFailure) -> Output {
        let line = arguments.joined(separator: " ")
        if let failure = obstacle?(arguments) { throw failure }
        guard let name = arguments.first, let program = Self.find(name) else {
            throw HostCommandFailure(command: line, reason: .missing)
        }
        var full = place.commandPrefix + [program] + arguments.dropFirst()
        if let first = place.commandPrefix.first, let outer = Self.find(first) { full[0] = outer }
        let (whole, bytes) = (full, Array(input.utf8))
        await turns.take()
        let started = ContinuousClock.now
        let result = await withCheckedContinuation { continuation in
            Self.threads.async {
                continuation.resume(returning: ChildProcess.run(whole, input: bytes, timeout: timeout))
            }
        }
        await turns.give()
        let output = Output(standardOutput: result.output, standardError: result.complaint)
        logger.debug(
            "command ran",
            metadata: [
                "command": "\(line)", "seconds": "\((ContinuousClock.now - started).seconds)",
                "outcome": "\(result.failure.map { "\($0)" } ?? "ok")",
            ])
        guard let reason = result.failure else { return output }
        throw HostCommandFailure(command: line, reason: reason, complaint: Self.lastLines(result.complaint))
    }

    /// Where a program is, looked for in the places where systems keep them; `nil` if it is in none.
    package static func find(_ name: String) -> String? {
        if name.hasPrefix("/") { return SystemFile.isExecutable(name) ? name : nil }
        return searchPath.lazy.map { "\($0)/\(name)" }.first(where: SystemFile.isExecutable)
    }

    private static func lastLines(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).suffix(6).joined(separator: "; ")
    }
}

/// Lets a bounded number of users in, in the order in which they came.
private actor Turns {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(width: Int) { free = max(1, width) }

    func take() async {
        if free > 0 {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func give() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

extension Duration {
    /// The same as a number of seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

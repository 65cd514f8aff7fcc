import ArgumentParser
import Deployment
@preconcurrency import Dispatch
import Glibc

/// `kilonovad up`: a whole cloud in this process.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Run every service in this process, until SIGTERM or SIGINT.")

    @OptionGroup var place: DeploymentArguments

    func run() async throws {
        do {
            let deployment = try await Deployment.prepare(try place.options())
            try await withThrowingTaskGroup(of: Void.self) { group in
                let signals = TerminationSignals()
                group.addTask { try await deployment.run() }
                group.addTask { await signals.wait() }
                // Whichever ends first ends the other: a failure, or the wish to stop.
                do {
                    try await group.next()
                } catch {
                    group.cancelAll()
                    throw error
                }
                group.cancelAll()
                try await group.waitForAll()
            }
        } catch let error as DeploymentError {
            fail(error)
        }
    }
}

/// Waits for SIGTERM or SIGINT; a second one ends the process at once.
///
/// Dispatch reads the signals, so no handler of ours runs inside an interrupted thread.
struct TerminationSignals: Sendable {
    private let stream: AsyncStream<Int32>

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.stream = stream
        let sources = [SIGTERM, SIGINT].map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            // The source sees the signal only when the default action is off.
            signal(number, SIG_IGN)
            source.setEventHandler {
                continuation.yield(number)
                signal(number, SIG_DFL)
            }
            source.resume()
            return HeldSource(source)
        }
        continuation.onTermination = { _ in _ = sources }
    }

    func wait() async {
        for await _ in stream { break }
    }
}

/// Keeps a signal source alive; the source itself is thread-safe, though Dispatch does not say so to the compiler.
private final class HeldSource: @unchecked Sendable {
    private let source: any DispatchSourceSignal
    init(_ source: any DispatchSourceSignal) { self.source = source }
}

import ArgumentParser
import Deployment
@preconcurrency import Dispatch
import FoundationEssentials
import Glibc
import struct ServiceOptions.ConfigurationErrors
import struct ServiceOptions.ConfigurationSource
import struct ServiceOptions.KilonovaOptions

/// `kilonovad up`: a whole cloud in this process.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Run every service in this process, until SIGTERM or SIGINT.")

    @ArgumentParser.Option(name: .customLong("state-dir"), help: "Where everything is kept.")
    var stateDirectory = ".kilonova"

    @OptionGroup var configuration: ConfigurationArguments

    func run() async throws {
        do {
            let deployment = try await Deployment.prepare(try options())
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

    private func options() throws(DeploymentError) -> UpOptions {
        let path = stateDirectory.hasPrefix("/")
            ? stateDirectory : FileManager.default.currentDirectoryPath + "/" + stateDirectory
        do {
            let source = try ConfigurationSource(
                files: configuration.files, environment: ProcessInfo.processInfo.environment,
                settings: ["DEFAULT.state_path=\(path)"] + configuration.settings)
            return UpOptions(stateDirectory: path, source: source, options: try KilonovaOptions(source))
        } catch {
            throw DeploymentError(.configuration, "\(error)")
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

import ComputeStore
import HTTPService
import Identity
import Messaging
import ServiceInterfaces
import WireJSON

/// What a guest wrote to its console.
enum ConsoleLogController {
    /// The most that is read of a log, in bytes: what the reference keeps.
    private static let bytesMax = 102_400

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerPolicy.consoleOutput)
        guard let host = server.host else { throw ComputeFault.conflict("Instance \(server.id) is not ready") }
        let bytes = try await read(server, host, call)
        let length = call.body["os-getConsoleOutput"]?["length"]
        let lines = length?.int ?? length?.string.flatMap { Int($0) } ?? -1
        let text = tail(printable(bytes), lines: lines)
        return call.answer { $0.field("output", text) }
    }

    private static func read(
        _ server: InstanceRecord, _ host: String, _ call: ComputeCall
    ) async throws(ComputeFault) -> [UInt8] {
        do throws(MessagingError) {
            return try await call.services.bus.call(
                ReadConsoleLog(instance: server.id, bytesMax: bytesMax), to: Address(topic: Topic.compute, host: host),
                origin: call.messageOrigin
            ).bytes
        } catch {
            switch error {
            case .remote(let fault) where fault.kind == FaultKind.notFound:
                throw .notFound("Guest does not have a console available.")
            case .remote(let fault) where fault.kind == FaultKind.notSupported:
                throw .notImplemented("The requested functionality is not supported.")
            case .remote(let fault) where fault.kind == FaultKind.unavailable:
                throw .conflict("Instance \(server.id) is not ready")
            case .noReceiver, .deadlineExceeded, .overloaded, .unreachable, .closed, .cancelled:
                throw .unavailable("The host of instance \(server.id) does not answer.")
            case .remote, .unsupportedVersion, .malformed, .tooLarge:
                throw .unexpected(error)
            }
        }
    }

    /// Text without the control characters that documents cannot hold; tabs and ends of lines stay.
    private static func printable(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.filter { $0 >= 0x20 || $0 == 0x09 || $0 == 0x0A }, as: UTF8.self)
    }

    /// The last so many lines; all of them for a negative number.
    static func tail(_ text: String, lines: Int) -> String {
        guard lines >= 0 else { return text }
        guard lines > 0 else { return "" }
        return text.split(separator: "\n", omittingEmptySubsequences: false).suffix(lines).joined(separator: "\n")
    }
}

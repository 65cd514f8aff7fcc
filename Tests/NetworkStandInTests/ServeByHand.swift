import Foundation
import HTTPService
import Logging
import Testing

@Suite struct ServeByHand {
    @Test(.enabled(if: ProcessInfo.processInfo.environment["SERVE_SECONDS"] != nil))
    func serves() async throws {
        let cloud = try await Cloud.open()
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0)], responder: cloud.api, logger: Logger(label: "serve"))
        let bound = try await server.start()
        try "\(bound)".write(toFile: "/var/tmp/kn/N/port", atomically: true, encoding: .utf8)
        for _ in 0..<(Int(ProcessInfo.processInfo.environment["SERVE_SECONDS"]!)! * 10) {
            if FileManager.default.fileExists(atPath: "/var/tmp/kn/N/stop") { break }
            try await Task.sleep(for: .milliseconds(100))
        }
        await server.shutdown(grace: .seconds(1))
    }
}

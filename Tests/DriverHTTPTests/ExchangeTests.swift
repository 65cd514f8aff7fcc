import DriverAPI
import DriverHTTP
import Foundation
import Testing

/// What drivers are promised of `DriverHost.exchange`, against a server that is not ours.
@Suite struct ExchangeTests {
    private func withClient(_ body: (DriverHTTPClient) async throws -> Void) async throws {
        let client = DriverHTTPClient()
        do {
            try await body(client)
        } catch {
            await client.shutDown()
            throw error
        }
        await client.shutDown()
    }

    private func failure(_ client: DriverHTTPClient, _ request: DriverHTTPRequest) async -> DriverError? {
        do throws(DriverError) {
            _ = try await client.exchange(request)
            return nil
        } catch {
            return error
        }
    }

    @Test func anyStatusIsAnAnswer() async throws {
        let server = try PythonServer()
        try await withClient { client async throws in
            let url = "http://127.0.0.1:\(server.port)"
            let hello = try await client.exchange(
                DriverHTTPRequest("GET", url + "/", headers: [.init("X-Mark", "seen")]))
            #expect(hello.status == 200 && hello.body == Array("hello".utf8))
            #expect(hello.header("x-seen") == "seen")
            #expect(try await client.exchange(DriverHTTPRequest("GET", url + "/refused")).status == 403)
            // A driver decides where it goes.
            #expect(try await client.exchange(DriverHTTPRequest("GET", url + "/away")).status == 302)
        }
    }

    @Test func filesAreStreamedBothWays() async throws {
        let server = try PythonServer()
        try await withClient { client async throws in
            let url = "http://127.0.0.1:\(server.port)"
            let path = server.directory + "/file"
            _ = try await client.exchange(DriverHTTPRequest("GET", url + "/long", sink: .file(path: path)))
            #expect(try Data(contentsOf: URL(filePath: path)).count == 3_000_000)
            let sent = try await client.exchange(DriverHTTPRequest("PUT", url + "/x", body: .file(path: path)))
            #expect(sent.status == 201 && sent.body == Array("3000000".utf8))
        }
    }

    @Test func whatBreaksLeavesNoFile() async throws {
        let server = try PythonServer()
        try await withClient { client async throws in
            let url = "http://127.0.0.1:\(server.port)"
            let path = server.directory + "/part"
            let error = await failure(client, DriverHTTPRequest("GET", url + "/cut", sink: .file(path: path)))
            guard case .unreachable = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(!FileManager.default.fileExists(atPath: path))
            #expect(!FileManager.default.fileExists(atPath: path + ".part"))
            let refused = try await client.exchange(
                DriverHTTPRequest("GET", url + "/refused", sink: .file(path: path)))
            #expect(refused.status == 403 && refused.body == Array("no".utf8))
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func answersHaveLimits() async throws {
        let server = try PythonServer()
        try await withClient { client async throws in
            let url = "http://127.0.0.1:\(server.port)"
            let long = await failure(client, DriverHTTPRequest("GET", url + "/long", sink: .memory(bytesMax: 100_000)))
            guard case .failed(let text) = long else {
                Issue.record("\(String(describing: long))")
                return
            }
            #expect(text.contains("100000"))
            let path = server.directory + "/stalled"
            for request in [
                DriverHTTPRequest("GET", url + "/slow", timeout: .milliseconds(300)),
                DriverHTTPRequest("GET", url + "/stall", timeout: .milliseconds(300)),
                DriverHTTPRequest("GET", url + "/stall", sink: .file(path: path), timeout: .milliseconds(300)),
            ] {
                let slow = await failure(client, request)
                guard case .timedOut = slow else {
                    Issue.record("\(request.url): \(String(describing: slow))")
                    return
                }
            }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func nobodyThere() async throws {
        try await withClient { client async throws in
            let error = await failure(client, DriverHTTPRequest("GET", "http://user:secret@127.0.0.1:1/p?token=t"))
            guard case .unreachable(let text) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(!text.contains("secret") && !text.contains("token"))
        }
    }

    @Test func certificatesAreVerified() async throws {
        let server = try PythonServer(tls: true)
        try await withClient { client async throws in
            let url = "https://127.0.0.1:\(server.port)/"
            let error = await failure(client, DriverHTTPRequest("GET", url))
            guard case .refused(let text) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(text.contains("certificate"))
            let known = DriverHTTPRequest.Trust.authorities(path: server.directory + "/cert.pem")
            #expect(try await client.exchange(DriverHTTPRequest("GET", url, trust: known)).status == 200)
            #expect(try await client.exchange(DriverHTTPRequest("GET", url, trust: .anyone)).status == 200)
        }
    }
}

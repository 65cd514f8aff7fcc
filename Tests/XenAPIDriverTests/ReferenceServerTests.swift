import DriverAPI
import DriverConformance
import Foundation
import Glibc
import Testing

@testable import XenAPIDriver

/// Wire format and shapes of records against a server whose behaviour others wrote: the in-memory XenAPI that the
/// reference driver was tested with, behind Python's own XML-RPC. The test is skipped where it is not at hand; set
/// KILONOVA_REFERENCE_XAPI to `python3 …/Tests/Simulators/xenapi/reference_server.py FOLDER {port}`.
@Suite struct ReferenceServerTests {
    static var command: String? { ProcessInfo.processInfo.environment["KILONOVA_REFERENCE_XAPI"] }

    @Test(.enabled(if: command != nil, "KILONOVA_REFERENCE_XAPI is not set"), arguments: ["json", "xml"])
    func theClientUnderstandsAServerThatOthersWrote(encoding: String) async throws {
        let port = Int.random(in: 20_000...50_000)
        let words = try #require(Self.command).replacing("{port}", with: "\(port)").split(separator: " ").map(
            String.init)
        let process = Process()
        process.executableURL = URL(filePath: words[0])
        process.arguments = words.dropFirst() + [encoding]
        try process.run()
        // Not terminate(): a child inherits the blocked signals of the thread that starts it.
        defer { kill(process.processIdentifier, SIGKILL) }
        try await Pool.with { pool in
            let options = try XenAPIOptions(Pool.configuration("http://127.0.0.1:\(port)"))
            let client = XenClient(options: options, host: pool.host())
            try await eventually("the server answers") {
                do { return try await !client.session().reference.isEmpty } catch { return false }
            }
            let hosts = try await client.call("host.get_all_records", []).map
            #expect(hosts.count == 1)
            let host = try #require(hosts.first)
            #expect(!host.value["name_label"].text.isEmpty)
            let pools = try await client.call("pool.get_all_records", []).map
            #expect(pools.values.first?["master"].reference == host.key)
            let repositories = try await client.call("SR.get_all_records", []).map
            #expect(repositories.values.contains { $0["other_config"]["i18n-key"].text == "local-storage" })
            let machines = try await client.call("VM.get_all_records", []).map.map { Machine($0.key, $0.value) }
            #expect(machines.contains { !$0.isGuest })
            let sr = try #require(repositories.first?.key)
            let disk = try await client.call(
                "VDI.create", [GuestDisks.record(name: "d", in: sr, bytes: 1 << 30, ["a": "b"])]
            ).text
            let record = VirtualDisk(disk, try await client.call("VDI.get_record", [.text(disk)]))
            #expect(record.bytes == 1 << 30)
            #expect(record.otherConfig["a"] == "b")
            #expect(record.repository == sr)
            let unknown = try await client.ask("VM.frobnicate", [])
            #expect(unknown == .failure(XenFailure("MESSAGE_METHOD_UNKNOWN", ["VM.frobnicate"])))
            guard case .failure(let failure) = try await client.ask("VM.get_record", ["OpaqueRef:none"]) else {
                Issue.record("a reference to nothing was accepted")
                return
            }
            #expect(failure.code == "HANDLE_INVALID")
            #expect(client.encodingName == encoding)
            await client.logOut()
        }
    }
}

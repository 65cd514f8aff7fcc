import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import XenAPIDriver

/// Sessions, encodings, and servers that do not behave.
@Suite(.serialized) struct ClientTests {
    private func client(_ pool: Pool, host: Int = 0, _ options: [String: String] = [:]) throws -> XenClient {
        XenClient(
            options: try XenAPIOptions(Pool.configuration(pool.simulator.urls[host], options)), host: pool.host())
    }

    @Test(arguments: [([], "json"), (["--no-jsonrpc"], "xml")])
    func theEncodingIsFoundOut(arguments: [String], encoding: String) async throws {
        try await Pool.with(arguments) { pool in
            let driver = try await pool.driver()
            #expect(driver.client.encodingName == encoding)
            let spec = pool.spec(try pool.rawImage(), configDrive: ["é": Array("<&>".utf8)])
            _ = try await driver.spawn(spec, pool.call)
            let events = driver.events()
            try await driver.powerOff(spec.id, within: .seconds(5), pool.call)
            // That it was started may still be on its way.
            #expect(await events.first { $0 != .power(spec.id, .running) } == .power(spec.id, .shutdown))
            try await driver.destroy(spec.id, pool.call)
            #expect(try await driver.guests() == [])
        }
    }

    @Test func aSessionThatEndedIsRenewedUnseen() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            #expect(driver.client.logins == 1)
            try pool.simulator.steer("expire")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 1...8 {
                    group.addTask {
                        let power = try await driver.powerState(of: spec.id)
                        #expect(power == .running)
                    }
                }
                try await group.waitForAll()
            }
            #expect(driver.client.logins <= 3)
            try pool.simulator.steer("expire")
            try await driver.powerOff(spec.id, within: .seconds(5), pool.call)
            try pool.simulator.steer("expire")
            try await driver.snapshot(spec.id, to: SnapshotTarget(image: .random(), diskFormat: "vhd"), pool.call)
            try await driver.destroy(spec.id, pool.call)
        }
    }

    @Test func aMemberSendsTheLoginToTheMaster() async throws {
        try await Pool.with(["--hosts", "3"]) { pool in
            let driver = try await pool.driver(host: 2)
            #expect(driver.place.name == "pool-3")
            #expect(driver.client.knownSession?.endpoint.description == pool.simulator.urls[0])
            let spec = pool.spec(try pool.rawImage(node: "node-3"))
            pool.host("node-3").delayFetches(by: .zero)
            _ = try await driver.spawn(spec, pool.call)
            #expect(try await driver.guests().map(\.id) == [spec.id])
        }
    }

    @Test func aWrongPasswordIsToldAsConfiguration() async throws {
        try await Pool.with { pool in
            let error = await failure { try await pool.driver(["connection_password": "guess"]) }
            guard case .badConfiguration(let text) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(text.contains("connection_password"))
            #expect(!text.contains("guess"))
            for options in [
                ["connection_url": "nonsense"], ["sr_matching_filter": "nonsense"],
                ["sr_matching_filter": "name-label:none"], ["pool_host": "nobody"],
                ["connection_password": ""],
            ] {
                let error = await failure { try await pool.driver(options) }
                if case .badConfiguration = error {} else { Issue.record("\(options): \(String(describing: error))") }
            }
        }
    }

    @Test func anUnreachableServerIsToldSo() async throws {
        try await Pool.with { pool in
            pool.simulator.kill()
            let error = await failure { try await pool.driver() }
            #expect(error?.remedy == .retry)
        }
    }

    @Test(arguments: [
        "drop", "truncate", "status", "endless", "", "[]", "{}", "null", "not json",
        "{\"jsonrpc\": \"2.0\", \"id\": 1}",
        "{\"id\": 999, \"result\": 1}", "{\"error\": \"x\"}",
    ])
    func nonsenseIsATypedErrorInBoundedTime(how: String) async throws {
        try await Pool.with { pool in
            let client = try client(pool)
            _ = try await client.call("host.get_all", [])
            try pool.simulator.steer("mangle", ["path": "/jsonrpc", "how": how])
            let clock = ContinuousClock()
            let begun = clock.now
            let error = await failure { try await client.call("host.get_all", []) }
            #expect(error != nil)
            #expect(clock.now - begun < .seconds(20 * slowness))
            try pool.simulator.steer("clear")
            #expect(try await client.call("host.get_all", []).list.count == 1)
        }
    }

    @Test func aCallThatHangsIsCancelledAndTimed() async throws {
        try await Pool.with { pool in
            let client = try client(pool, ["call_timeout": "0.5"])
            _ = try await client.session()
            try pool.simulator.steer("delay", ["method": "host.get_all", "seconds": 5])
            let late = await failure { try await client.call("host.get_all", []) }
            if case .timedOut = late {} else { Issue.record("\(String(describing: late))") }
            let patient = try self.client(pool)
            let call = Task { try await patient.call("host.get_all", []) }
            try await Task.sleep(for: .milliseconds(300))
            let clock = ContinuousClock()
            let begun = clock.now
            call.cancel()
            #expect(await failure { try await call.value } == .cancelled)
            #expect(clock.now - begun < .seconds(2 * slowness))
        }
    }

    @Test func callersAtOneTimeAreLimited() async throws {
        let gate = Turnstile<Int>(width: 2)
        let inside = Locked((now: 0, most: 0))
        await withTaskGroup(of: Void.self) { group in
            for _ in 1...20 {
                group.addTask {
                    try? await gate.pass(1) { () async throws(DriverError) in
                        inside.with { inside in
                            inside.now += 1
                            inside.most = max(inside.most, inside.now)
                        }
                        try? await Task.sleep(for: .milliseconds(5))
                        inside.with { $0.now -= 1 }
                    }
                }
            }
        }
        #expect(inside.with { $0.most } == 2)
    }

    @Test func whoWaitsForHisTurnCanLeave() async throws {
        let gate = Turnstile<Int>(width: 1)
        let (entered, signal) = AsyncStream.makeStream(of: Void.self)
        let holder = Task {
            try await gate.pass(1) { () async throws(DriverError) in
                signal.yield()
                try? await Task.sleep(for: .seconds(60))
            }
        }
        for await _ in entered { break }
        let waiter = Task { try await gate.pass(1) { () async throws(DriverError) in } }
        waiter.cancel()
        #expect(await failure { try await waiter.value } == .cancelled)
        holder.cancel()
        try await holder.value
        try await gate.pass(1) { () async throws(DriverError) in }
    }

    @Test func aServerWithoutAKnownCertificateIsRefused() async throws {
        try await Pool.with(["--tls"]) { pool in
            let error = await failure { try await pool.driver() }
            if case .refused = error {} else { Issue.record("\(String(describing: error))") }
            let path = try #require(pool.simulator.certificate)
            let driver = try await pool.driver(["certificate_authorities": path])
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let console = try await driver.console(.vnc, of: spec.id)
            #expect(console.port == 0 && console.tlsPort == pool.simulator.port)
            let blind = try await pool.driver(["verify_certificates": "false"])
            #expect(try await blind.guests().count == 1)
        }
    }

    @Test func aThousandGuestsAreListedInOneRound() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            _ = try pool.simulator.steer("foreign", ["name": "many", "copies": 999, "start": false])
            _ = try pool.simulator.calls()
            let clock = ContinuousClock()
            let begun = clock.now
            #expect(try await driver.guests().count == 1000)
            let took = clock.now - begun
            #expect(took < .seconds(5 * slowness), "it took \(took)")
            #expect(try pool.simulator.calls()["VM.get_all_records_where"] == 1)
        }
    }
}

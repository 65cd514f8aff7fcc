import APIVersioning
@testable import ComputeHTTP
import ComputeModel
import ComputeStore
import HTTPService
import ServiceOptions
import Testing
import WireJSON

/// Lists that are put together from what was written before.
@Suite struct RenderedServersTests {
    // MARK: What is kept

    private static func kind(_ minor: Int = 1) -> ServerScene.Kind {
        ServerScene.Kind(
            version: Microversion(2, minor), selfBase: "s", bookmarkBase: "b", isAdmin: false, showsExtraSpecs: false,
            showsExtended: false)
    }

    private static func stamp(_ number: Int64, _ revision: Int64 = 0) -> InstanceStamp {
        InstanceStamp(number: number, revision: revision, id: InstanceID.random(), host: nil)
    }

    private static func entry(
        _ revision: Int64 = 0, _ status: String? = nil, bytes: Int = 840
    ) -> RenderedServers.Entry {
        RenderedServers.Entry(revision: revision, hostStatus: status, json: Array(repeating: 32, count: bytes))
    }

    @Test func onlyWhatIsStillTrueIsFound() {
        let rendered = RenderedServers(bytesMax: 1 << 20)
        rendered.keep([(7, Self.entry(3, "UP"))], Self.kind())
        #expect(rendered.json(Self.stamp(7, 3), hostStatus: "UP", Self.kind())?.count == 840)
        #expect(rendered.json(Self.stamp(7, 4), hostStatus: "UP", Self.kind()) == nil)
        #expect(rendered.json(Self.stamp(7, 3), hostStatus: "DOWN", Self.kind()) == nil)
        #expect(rendered.json(Self.stamp(7, 3), hostStatus: nil, Self.kind()) == nil)
        #expect(rendered.json(Self.stamp(7, 3), hostStatus: "UP", Self.kind(2)) == nil)
        #expect(rendered.json(Self.stamp(8, 3), hostStatus: "UP", Self.kind()) == nil)
    }

    @Test func spaceIsBoundedAndWhatIsAskedForStays() {
        let rendered = RenderedServers(bytesMax: 20_000)
        for number in 0..<1000 {
            rendered.keep([(Int64(number), Self.entry())], Self.kind(number % 5))
            #expect(rendered.json(Self.stamp(0), hostStatus: nil, Self.kind(0)) != nil, "asked for all the time")
            #expect(rendered.bytes <= 20_000)
        }
        #expect(rendered.json(Self.stamp(1), hostStatus: nil, Self.kind(1)) == nil)
        rendered.keep([(5000, Self.entry(bytes: 15_000))], Self.kind())
        #expect(rendered.json(Self.stamp(5000), hostStatus: nil, Self.kind()) == nil, "larger than half of the space")
    }

    @Test func writingTheSameAgainTakesNoMoreSpace() {
        let rendered = RenderedServers(bytesMax: 20_000)
        for revision in 0..<100 { rendered.keep([(1, Self.entry(Int64(revision)))], Self.kind()) }
        #expect(rendered.bytes <= 2 * 1000)
        let off = RenderedServers(bytesMax: 0)
        off.keep([(1, Self.entry())], Self.kind())
        #expect(off.bytes == 0)
    }

    // MARK: What lists show

    /// Each server of a list is what the server itself shows, whoever asks in which version, after whatever happened.
    @Test(arguments: [0, 16]) func listsShowWhatServersShow(mebibytes: Int) async throws {
        let api = try await APIFixture.start { options in
            options.kilonova.serverListCache = ByteSize(mebibytes: mebibytes)
            (options.quota.instances, options.quota.cores, options.quota.ramMiB) = (-1, -1, -1)
        }
        let ground = try await api.ground()
        var ids: [InstanceID] = []
        for number in 0..<40 {
            ids.append(try await api.builtServer(ground, "2.52", .member, ["name": .string("vm\(number)")]))
        }
        let id = ids[3]
        try await agree(api)
        _ = try await api.store.changeMetadata(of: id) { $0["colour"] = "blue" }
        try await agree(api)
        try await api.store.setLock(.locked(byOwner: true, reason: "mine"), on: id)
        try await agree(api)
        #expect(try await api.store.observe(.shutdown, vm: .stopped, of: id, operation: 0))
        try await agree(api)
        _ = try await api.store.changeTags(of: ids[5]) { $0 = ["a", "b"] }
        try await api.store.markDeleted(ids[7])
        try await agree(api)
    }

    private func agree(_ api: APIFixture) async throws {
        for version in ["2.1", "2.52", "2.104"] {
            for caller in [Caller.member, .admin] {
                let path = "/servers/detail?all_tenants=\(caller == .admin)"
                let list = try await api.document(.GET, path, version, as: caller)
                for listed in list["servers"]?.array ?? [] {
                    let id = listed["id"]?.string ?? ""
                    let shown = try await api.document(.GET, "/servers/\(id)", version, as: caller)["server"]
                    guard case .object(var members)? = shown else {
                        Issue.record("\(id) is listed and not shown")
                        continue
                    }
                    members.remove("server_groups")
                    #expect(listed == .object(members), "\(version) \(caller)")
                }
            }
        }
    }

    /// The state of a host is not part of a server's row.
    @Test func aHostsStateIsShownAsItIs() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        try await api.builtServer(ground)
        let report = { () async throws -> String? in
            let list = try await api.document(.GET, "/servers/detail", "2.16", as: .admin)
            return list["servers"]?[0]?["host_status"]?.string
        }
        #expect(try await report() == "")
        try await api.store.heartbeat(binary: "nova-compute", host: "node1", topic: "compute", version: 1, trouble: nil)
        #expect(try await report() == "UP")
        let service = try #require(try await api.store.services().first)
        try await api.store.updateService(service.id, forcedDown: true)
        #expect(try await report() == "DOWN")
    }
}

import Database
import ComputeModel
import ComputeStore
import Messaging
import PeerClients
import Sagas
import ServiceInterfaces
import Testing
import WireJSON

@testable import Conductor

struct BuildTests {
    @Test func aServerBecomesActive() async throws {
        try await World.withConductor { world in
            let id = try await world.create()
            try await world.reaches(.active, id)
            let row = try await world.row(id)
            #expect(row.host == "h1" && row.power == .running && row.launchedAt != nil && row.fault == nil)
            #expect(row.securityGroupsJSON == #"[{"name":"default"}]"#)
            #expect(row.addressesJSON.contains(#""net":[{"version":4,"addr":"10.0."#))
            #expect(try await world.holdings(id) == everything)
            let (action, events) = try #require(try await world.store.action(of: id, requestID: "req-create"))
            #expect(action.finishedAt != nil && action.message == nil)
            #expect(
                events.map(\.event) == [
                    "conductor_schedule_and_build_instances", "compute__do_build_and_run_instance",
                ])
            #expect(events.allSatisfy { $0.result == "Success" })
        }
    }

    /// Each flush costs some milliseconds. One puts the operation number on disk, with the choice of the host, before
    /// the agent hears of the guest; one shows the server as active. A deletion likewise: its number, and its end.
    @Test func aBuildAndADeletionWaitForTheDiskTwiceAfterTheirAcceptance() async throws {
        try await withDirectory { directory in
            try await World.withConductor(url: "sqlite://\(directory)/store.sqlite") { world in
                let database = world.store.database
                let start = database.commitCounts.onDisk
                let id = try await world.create()
                try await world.reaches(.active, id)
                #expect(database.commitCounts.onDisk - start <= 3)
                let middle = database.commitCounts.onDisk
                try await world.begin(.delete, on: id)
                try await world.reaches(.deleted, id)
                #expect(database.commitCounts.onDisk - middle <= 3)
            }
        }
    }

    @Test func aBuildThatFailsOnItsHostIsRescheduled() async throws {
        try await World.withConductor { world in
            await world.hosts.set("h1", .failing(.reschedule))
            await world.hosts.set("h2", .failing(.retry))
            let id = try await world.create()
            try await world.reaches(.active, id)
            #expect(try await world.row(id).host == "h3")
            #expect(try await world.holdings(id) == everything)
            #expect(await world.scheduler.claimed(by: id) == "h3")
            let port = try #require(await world.network.devices(id).first)
            #expect(await world.network.host(of: port) == "h3")
            let (_, events) = try #require(try await world.store.action(of: id, requestID: "req-create"))
            #expect(events.dropFirst().map(\.host) == ["h1", "h2", "h3"])
            #expect(events.dropFirst().map(\.result) == ["Error", "Error", "Success"])
        }
    }

    @Test func aBuildGivesUpAfterThreeHosts() async throws {
        try await World.withConductor { world in
            for host in World.hostNames { await world.hosts.set(host, .failing(.reschedule)) }
            let id = try await world.create()
            try await world.reaches(.error, id)
            let row = try await world.row(id)
            #expect(row.fault?.message == "h3 cannot" && row.fault?.code == 500 && row.host == nil)
            #expect(try await world.holdings(id) == nothing)
            let (action, _) = try #require(try await world.store.action(of: id, requestID: "req-create"))
            #expect(action.message == "Error" && action.finishedAt != nil)
        }
    }

    @Test func aFailureThatNoHostCanMendIsFinal() async throws {
        try await World.withConductor { world in
            await world.hosts.set("h1", .failing(.giveUp))
            let id = try await world.create()
            try await world.reaches(.error, id)
            let fault = try #require(try await world.row(id).fault)
            #expect(fault.message == "h1 cannot" && fault.details == "because")
            #expect(try await world.holdings(id) == nothing)
            let (_, events) = try #require(try await world.store.action(of: id, requestID: "req-create"))
            #expect(events.map(\.details) == ["h1 cannot", "h1 cannot"])
            #expect(events.map(\.trace) == ["because", "because"])
            #expect(await world.hosts.carriedOut == [])
        }
    }

    @Test func whatHostsSaidIsToldWhenNoneIsLeft() async throws {
        try await World.withConductor { world in
            for host in ["h1", "h2"] { await world.hosts.set(host, .failing(.reschedule)) }
            await world.scheduler.know(["h1", "h2"])
            let id = try await world.create()
            try await world.reaches(.error, id)
            let fault = try #require(try await world.row(id).fault)
            #expect(
                fault.message == "No valid host was found. No host is left to try. h1: h1 cannot h2: h2 cannot")
            #expect(fault.details == "h1: because\nh2: because\nNo valid host was found.")
        }
    }

    @Test func aHypervisorElsewhereJoinsANetworkByItsName() async throws {
        let network = FakeNetwork()
        let wiring = PortWiring(network: network)
        let id = InstanceID.random()
        let port = await network.makePort()
        let interfaces = [RequestedInterface(network: network.network), RequestedInterface(port: port)]
        let request = BuildInstanceRequest(
            instance: id, requestID: "r", networks: .list(interfaces), securityGroups: [])
        var place = PortPlace(host: "v", availabilityZone: "nova", bindings: [.network, .unbound])
        func bindings() async throws -> [PortBinding] {
            try await wiring.connect(id, project: FakeNetwork.project, request: request, at: place).interfaces
                .map(\.binding)
        }
        #expect(try await bindings() == Array(repeating: .network(name: network.network.description), count: 2))
        #expect(await network.profiles(id) == [["wiring": "network"], ["wiring": "network"]])
        await network.lie(on: "physnet1")
        #expect(try await bindings() == Array(repeating: .network(name: "physnet1"), count: 2))
        // Where the server goes next there may be a bridge.
        place.bindings = [.bridge]
        #expect(try await bindings().map(\.kind) == [.bridge, .bridge])
        #expect(await network.profiles(id) == [[:], [:]])
        place.bindings = []
        #expect(try await bindings() == [.unbound, .unbound])
        try await wiring.disconnect(id, given: [port])
        #expect(await network.profile(of: port) == [:])
    }

    @Test func aPortThatCannotBeBoundOnAHostIsTriedOnTheNext() async throws {
        try await World.withConductor { world in
            await world.network.refuseBinding(on: "h1")
            let id = try await world.create()
            try await world.reaches(.active, id)
            #expect(try await world.row(id).host == "h2")
            #expect(try await world.holdings(id) == everything)
        }
    }

    @Test func noValidHostIsShownWithItsReason() async throws {
        try await World.withConductor { world in
            await world.scheduler.fail(RemoteFault(kind: FaultKind.noValidHost, message: "No valid host was found. x"))
            let id = try await world.create()
            try await world.reaches(.error, id)
            #expect(try await world.row(id).fault?.message == "No valid host was found. x")
        }
    }

    @Test func whatOnlyPassesIsTriedAgain() async throws {
        try await World.withConductor { world in
            await world.scheduler.fail(RemoteFault(kind: "DatabaseError", message: "busy"))
            await world.network.refuse(
                .unreachable(service: "network", reason: "x"), .failed(service: "network", status: 503, message: "y"))
            let id = try await world.create()
            try await world.reaches(.active, id)
            #expect(try await world.holdings(id) == everything)
        }
    }

    @Test func aRefusalOfTheNetworkServiceEndsTheBuild() async throws {
        try await World.withConductor { world in
            await world.network.refuse(
                .overQuota(service: "network", message: "Quota exceeded for resources: ['port']."))
            let id = try await world.create()
            try await world.reaches(.error, id)
            #expect(try await world.row(id).fault?.message == "Quota exceeded for resources: ['port'].")
            #expect(try await world.holdings(id) == nothing)
        }
    }

    @Test func aGivenPortIsBoundAndOutlivesItsServer() async throws {
        try await World.withConductor { world in
            let port = await world.network.makePort()
            let network = world.network.network
            let id = try await world.create(
                .list([RequestedInterface(port: port), RequestedInterface(network: network, fixedAddress: "10.0.9.9")]))
            try await world.reaches(.active, id)
            #expect(await world.network.devices(id).count == 2)
            #expect(try await world.row(id).addressesJSON.contains("10.0.9.9"))
            let second = try await world.create(.list([RequestedInterface(port: port)]))
            try await world.reaches(.error, second)
            #expect(try await world.row(second).fault?.message == "Port \(port) is still in use.")
            try await world.begin(.delete, on: id)
            try await world.reaches(.deleted, id)
            #expect(await world.network.owner(of: port) == "")
            #expect(try await world.holdings(id) == nothing)
        }
    }

    @Test func lostAndRepeatedReportsDoNotMatter() async throws {
        try await World.withConductor { world in
            await world.hosts.set("h1", .losingReports(2))
            let one = try await world.create(.none)
            try await world.reaches(.active, one)
            #expect(await world.hosts.carriedOut == ["spawn h1"])
            await world.hosts.set("h1", .repeating)
            let two = try await world.create(.none)
            try await world.reaches(.active, two)
            #expect(try await world.holdings(two) == "1 claims, 0 ports, 1 guests")
        }
    }

    @Test func aHostThatGoesDownDuringABuildIsReplaced() async throws {
        try await World.withConductor { world in
            await world.hosts.set("h1", .silent)
            let id = try await world.create()
            try await until("the spawn") { try await world.row(id).status.task == .spawning }
            let service = try #require(try await world.store.services().first { $0.host == "h1" })
            try await world.store.updateService(service.id, forcedDown: true)
            try await world.reaches(.active, id)
            #expect(try await world.row(id).host == "h2")
        }
    }
}

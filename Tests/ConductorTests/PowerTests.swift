import ComputeModel
import ComputeStore
import ServiceInterfaces
import Testing

@testable import Conductor

struct PowerTests {
    @Test func aServerStopsStartsAndReboots() async throws {
        try await World.withConductor { world in
            let id = try await world.create(.none)
            try await world.reaches(.active, id)
            try await world.begin(.stop, on: id)
            try await world.reaches(.stopped, id)
            #expect(try await world.row(id).power == .shutdown)
            try await world.begin(.start, on: id)
            try await world.reaches(.active, id)
            for action in [InstanceAction.softReboot, .hardReboot] {
                try await world.begin(action, on: id)
                try await world.reaches(.active, id)
            }
            let expected = ["spawn", "power_off", "power_on", "reboot", "reboot"].map { "\($0) h1" }
            #expect(await world.hosts.carriedOut == expected)
            let (_, events) = try #require(try await world.store.action(of: id, requestID: "req-stop"))
            #expect(events.map(\.event) == ["compute_stop_instance"] && events.map(\.result) == ["Success"])
        }
    }

    /// After a restart of everything the conductor is there first. The patience for reports is no pause before asking.
    @Test func anAgentThatComesAMomentLaterIsAskedAgainAtOnce() async throws {
        try await World.withConductor(patience: .seconds(3600), serving: []) { world in
            let id = try await world.create(.none)
            try await until("the host is to build it") {
                try await world.row(id).status.task == .spawning
            }
            try await world.hosts.serve("h1")
            try await world.reaches(.active, id)
            #expect(await world.hosts.carriedOut == ["spawn h1"])
        }
    }

    @Test func aStopThatFailsLeavesTheServerAsItWasAndSaysWhy() async throws {
        try await World.withConductor { world in
            let id = try await world.create(.none)
            try await world.reaches(.active, id)
            await world.hosts.set("h1", .failing(.giveUp))
            try await world.begin(.stop, on: id)
            try await world.reaches(.active, id)
            #expect(try await world.row(id).fault?.message == "h1 cannot")
            let (action, events) = try #require(try await world.store.action(of: id, requestID: "req-stop"))
            #expect(action.message == "Error" && events.map(\.result) == ["Error"])
        }
    }

    @Test func aRebootThatFailsLeadsToErrorAndAHardOneOutOfIt() async throws {
        try await World.withConductor { world in
            let id = try await world.create(.none)
            try await world.reaches(.active, id)
            await world.hosts.set("h1", .failing(.giveUp))
            try await world.begin(.softReboot, on: id)
            try await world.reaches(.error, id)
            await world.hosts.set("h1", .well)
            try await world.begin(.hardReboot, on: id)
            try await world.reaches(.active, id)
            #expect(try await world.row(id).fault == nil)
        }
    }

    @Test func aHardRebootTakesOverFromASoftOne() async throws {
        try await World.withConductor { world in
            let id = try await world.create(.none)
            try await world.reaches(.active, id)
            await world.hosts.set("h1", .silent)
            try await world.begin(.softReboot, on: id)
            try await world.begin(.hardReboot, on: id)
            await world.hosts.set("h1", .well)
            try await world.reaches(.active, id)
            #expect(try await world.row(id).fault == nil)
        }
    }

    @Test func aHostThatIsDownEndsTheWait() async throws {
        try await World.withConductor { world in
            let id = try await world.create(.none)
            try await world.reaches(.active, id)
            await world.hosts.set("h1", .silent)
            let service = try #require(try await world.store.services().first { $0.host == "h1" })
            try await world.store.updateService(service.id, forcedDown: true)
            try await world.begin(.stop, on: id)
            try await world.settle(id)
            #expect(try await world.row(id).fault?.message == "The host h1 is down.")
            #expect(try await world.row(id).status == InstanceStatus(vm: .active, task: nil))
        }
    }
}

import ComputeModel
import ComputeStore
import Messaging
import ServiceInterfaces
import Testing

@testable import Conductor

struct DeleteTests {
    /// Where a build is when its server is deleted.
    enum Phase: CaseIterable, Sendable {
        case scheduling
        case networking
        case spawning
        case rescheduled
        case active
    }

    @Test(arguments: Phase.allCases) func aServerIsDeletedInAnyPhaseOfItsBuild(_ phase: Phase) async throws {
        try await World.withConductor { world in
            let port = await world.network.makePort()
            switch phase {
            case .scheduling: await world.scheduler.hold()
            case .networking: await world.network.hold()
            case .spawning: await world.hosts.set("h1", .losingReports(.max))
            case .rescheduled:
                await world.hosts.set("h1", .failing(.reschedule))
                await world.hosts.set("h2", .losingReports(.max))
            case .active: break
            }
            let id = try await world.create(
                .list([RequestedInterface(port: port), RequestedInterface(network: world.network.network)]))
            switch phase {
            case .scheduling: try await until("the question") { await world.scheduler.holds == 1 }
            case .networking:
                try await until("the port") { await world.network.holds == 1 }
                // Noted before it was bound: whoever cleans up after a crash must not delete it.
                #expect(try await world.store.givenPorts(of: id) == [port])
            case .spawning: try await until("the spawn") { try await world.row(id).status.task == .spawning }
            case .rescheduled: try await until("the second spawn") {
                let row = try await world.row(id)
                return row.host == "h2" && row.status.task == .spawning
            }
            case .active: try await world.reaches(.active, id)
            }
            try await world.begin(.delete, on: id)
            await world.scheduler.letGo()
            await world.network.letGo()
            if phase == .spawning || phase == .rescheduled {
                // The guest is there, and its agent can be heard again before it counts as down.
                try await until("the guest") { await world.hosts.count(of: id) == 1 }
                try await until("the deletion") { try await world.row(id).status.task == .deleting }
                for host in ["h1", "h2"] { await world.hosts.set(host, .well) }
            }
            try await world.reaches(.deleted, id)
            #expect(try await world.holdings(id) == nothing)
            #expect(await world.network.owner(of: port) == "")
            let row = try await world.row(id)
            #expect(row.isDeleted && row.terminatedAt != nil)
            let (action, events) = try #require(try await world.store.action(of: id, requestID: "req-delete"))
            #expect(action.message == nil && events.map(\.result) == ["Success"])
        }
    }

    @Test func aServerOnAHostThatIsDownIsDeletedAndItsGuestRemovedLater() async throws {
        try await World.withConductor { world in
            let id = try await world.create()
            try await world.reaches(.active, id)
            await world.hosts.set("h1", .silent)
            let service = try #require(try await world.store.services().first { $0.host == "h1" })
            try await world.store.updateService(service.id, forcedDown: true)
            try await world.begin(.delete, on: id)
            try await world.reaches(.deleted, id)
            #expect(try await world.holdings(id) == "0 claims, 0 ports, 1 guests")
            // The host comes back and tells what it holds.
            await world.hosts.set("h1", .well)
            try await world.store.updateService(service.id, forcedDown: false)
            let seen = GuestObservation(
                instance: id, power: .running, operation: await world.hosts.finished(id, on: "h1"))
            let report = ReportGuests(host: "h1", observed: [seen], complete: true)
            _ = try await world.bus.call(report, to: Address(topic: Topic.conductor))
            try await until("the guest's removal") { await world.hosts.count(of: id) == 0 }
        }
    }

    @Test func aDeletionInterruptsAStopThatNobodyAnswers() async throws {
        try await World.withConductor { world in
            let id = try await world.create()
            try await world.reaches(.active, id)
            await world.hosts.set("h1", .silent)
            try await world.begin(.stop, on: id)
            try await world.begin(.delete, on: id)
            await world.hosts.set("h1", .well)
            try await world.reaches(.deleted, id)
            #expect(try await world.holdings(id) == nothing)
            let (stop, _) = try #require(try await world.store.action(of: id, requestID: "req-stop"))
            #expect(stop.finishedAt != nil)
        }
    }

    @Test func aServerInErrorIsDeleted() async throws {
        try await World.withConductor { world in
            await world.hosts.set("h1", .failing(.giveUp))
            let id = try await world.create()
            try await world.reaches(.error, id)
            try await world.begin(.delete, on: id)
            try await world.reaches(.deleted, id)
        }
    }
}

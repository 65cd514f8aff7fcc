import Database
import ComputeModel
import ComputeStore
import Messaging
import Sagas
import ServiceInterfaces
import Testing

@testable import Conductor

struct ReconciliationTests {
    private func report(
        _ world: World, _ id: InstanceID, _ power: PowerState?, operation: Int64, complete: Bool = false
    ) async throws {
        let seen = power.map { [GuestObservation(instance: id, power: $0, operation: operation)] } ?? []
        try await GuestReconciliation(services: world.services).take(
            ReportGuests(host: "h1", observed: seen, complete: complete))
    }

    @Test func aGuestThatStoppedByItselfStopsItsServer() async throws {
        let world = try await World()
        let id = try await world.built()
        try await report(world, id, .shutdown, operation: 0)
        #expect(try await world.row(id).status.vm == .stopped)
        try await report(world, id, .running, operation: 0)
        #expect(try await world.row(id).status.vm == .active)
    }

    @Test func whatWasSeenBeforeTheLastOperationOrDuringOneIsIgnored() async throws {
        let world = try await World()
        let id = try await world.built()
        for _ in 0..<5 { _ = try await world.store.nextOperation(on: id) }
        try await world.store.finishOperation(on: id, vm: .active, power: .running, expecting: nil, operation: 5)
        try await report(world, id, .shutdown, operation: 4)
        #expect(try await world.row(id).status.vm == .active)
        try await world.begin(.stop, on: id)
        try await report(world, id, .shutdown, operation: 9)
        #expect(try await world.row(id).status == InstanceStatus(vm: .active, task: .poweringOff))
    }

    @Test func aGuestMissingFromACompleteReportIsLost() async throws {
        let world = try await World()
        let id = try await world.built()
        try await report(world, id, nil, operation: 0)
        #expect(try await world.row(id).status.vm == .active)
        try await report(world, id, nil, operation: 0, complete: true)
        let row = try await world.row(id)
        #expect(row.status.vm == .stopped && row.power == .noState)
    }

    @Test func aGuestOfAServerThatLivesElsewhereIsRemovedAndAStrangerLeft() async throws {
        let world = try await World()
        let (id, stranger) = (try await world.built(), InstanceID.random())
        try await world.store.place(id, host: "h2", node: "h2", nodeID: nil, availabilityZone: nil)
        await world.hosts.hold(stranger, on: "h1")
        try await report(world, id, .running, operation: 0)
        try await report(world, stranger, .running, operation: 0)
        try await until("the guest's removal") { await world.hosts.count(of: id) == 0 }
        #expect(await world.hosts.count(of: stranger) == 1)
        #expect(await world.hosts.carriedOut == ["destroy h1"])
    }

    @Test func statesThatUsersChoseStay() {
        let rows: [(VMState, PowerState, VMState)] = [
            (.active, .shutdown, .stopped), (.active, .crashed, .stopped), (.active, .running, .active),
            (.active, .suspended, .suspended), (.active, .paused, .active), (.stopped, .running, .active),
            (.stopped, .shutdown, .stopped), (.error, .running, .error), (.paused, .shutdown, .paused),
            (.building, .shutdown, .building), (.deleted, .running, .deleted),
        ]
        for (vm, power, wanted) in rows { #expect(GuestReconciliation.state(after: vm, power: power) == wanted) }
    }

    @Test func addressesFollowTheNetworkServiceAndNothingIsWrittenForNothing() async throws {
        let world = try await World()
        let id = try await world.built()
        let refresh = NetworkInfoRefresh(services: world.services)
        let commits = world.store.database.commitCounts
        #expect(try await refresh.refreshSome(after: 0) == 0)
        #expect(world.store.database.commitCounts == commits)
        let port = try #require(await world.network.devices(id).first)
        await world.network.rename(port, address: "10.0.7.7")
        _ = try await refresh.refreshSome(after: 0)
        #expect(try await world.row(id).addressesJSON.contains("10.0.7.7"))
        #expect(try await world.store.instance(at: "10.0.7.7", on: world.network.network) == id)
    }

    @Test func anAgentHearsWhatItsHostShouldHoldAndADisabledNodeIsMarked() async throws {
        try await World.withConductor { world in
            let id = try await world.create()
            try await world.reaches(.active, id)
            let conductor = Address(topic: Topic.conductor)
            let guests = try await world.bus.call(AskExpectedGuests(host: "h1"), to: conductor).guests
            #expect(guests.map(\.instance) == [id] && guests.first?.handle == StoredHandle(version: 1, data: [7]))
            let inventory = NodeInventory(
                hypervisorType: "fake", hypervisorVersion: 1, hypervisorHostname: "h1",
                cpu: CPUDescription(arch: "x86_64", vendor: "v", model: "m"),
                supportedGuests: [
                    SupportedGuest(architecture: "aarch64", hypervisorType: "qemu", machineMode: "hvm"),
                    SupportedGuest(architecture: "i686", hypervisorType: "qemu", machineMode: "hvm"),
                ], resources: [:], traits: [ComputeModel.Trait("HW_CPU_X86_AVX2")], diskFreeGiB: 1)
            let report = ReportNode(
                host: "h1", driver: "fake", inventory: inventory,
                capabilityTraits: [ComputeModel.Trait("COMPUTE_TRUSTED_CERTS")], bindings: [], hostIP: "127.0.0.1")
            let service = try #require(try await world.store.services().first { $0.host == "h1" })
            for isDisabled in [true, false] {
                try await world.store.updateService(service.id, disabled: isDisabled)
                _ = try await world.bus.call(report, to: conductor)
                let synced = try #require(await world.scheduler.synced.last)
                #expect(synced.isDisabled == isDisabled)
                #expect(
                    synced.traits.map(\.rawValue).sorted() == [
                        "COMPUTE_ARCH_AARCH64", "COMPUTE_NODE", "COMPUTE_TRUSTED_CERTS", "HW_ARCH_X86_64",
                        "HW_CPU_X86_AVX2", "OWNER_NOVA",
                    ])
            }
        }
    }

    @Test func aReportThatComesBetweenTwoLooksIsKept() async throws {
        let (desk, id) = (ReportDesk(), InstanceID.random())
        let report = ReportOperation(
            host: "h", instance: id, operation: 3, outcome: .succeeded(power: .running, handle: nil))
        await desk.deliver(report)
        await desk.expect(id, operation: 3)
        #expect(await desk.report(on: id, operation: 3, within: .milliseconds(5)) == nil)
        await desk.deliver(report)
        #expect(await desk.report(on: id, operation: 3, within: .seconds(60)) == report.outcome)
        await desk.forget(id, operation: 3)
        #expect(await desk.report(on: id, operation: 3, within: .seconds(60)) == nil)
    }

    @Test func endedSagasAreRemoved() async throws {
        let world = try await World()
        let log = SQLSagaLog(world.store)
        let owner = SagaOwner(place: "c", incarnation: "1")
        for number in 0..<3 {
            let id = SagaID("s\(number)")
            try await log.create(SagaRecord(id: id, name: "x", parameters: [], created: .zero))
            let claim = SagaClaim(owner: owner, now: .zero, leaseUntil: .seconds(1))
            let mine = try #require(try await log.claim(id, claim)).ownership
            try await log.finish(mine, events: [], conclusion: .completed, now: .seconds(number))
        }
        #expect(!(try await Upkeep(services: world.services, log: log).removeSome(endedBefore: .seconds(2))))
        #expect(try await log.list(SagaFilter()).map(\.record.id) == [SagaID("s2")])
    }
}

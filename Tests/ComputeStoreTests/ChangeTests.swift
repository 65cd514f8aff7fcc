import ComputeModel
import ComputeStore
import DatabaseServers
import Testing

@Suite(.everyEngine) struct ChangeTests {
    @Test func ofTwoActionsAtOnceExactlyOneBegins() async throws {
        try await Scene.inFile { store in
            for round in 0..<8 {
                let id = try await Scene.built(store)
                let begun = await withTaskGroup(of: Bool.self) { tasks in
                    for action in [InstanceAction.stop, .softReboot] {
                        tasks.addTask {
                            do {
                                try await store.begin(
                                    action, on: id, saga: Scene.saga("power-instance", about: id),
                                    origin: Scene.origin("req-\(action)"))
                                return true
                            } catch {
                                #expect(error is ActionRefused)
                                return false
                            }
                        }
                    }
                    return await tasks.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(begun == 1, "round \(round)")
                #expect(try await store.actions(of: id).count == 2)
            }
        }
    }

    @Test func aChangeOfWhatSomebodyElseChangedIsRefused() async throws {
        let store = try await Scene.inMemory()
        let id = try await Scene.built(store)
        let read = InstanceStatus(vm: .active, task: nil)
        try await store.compareAndSwap(id, from: read, to: InstanceStatus(vm: .active, task: .poweringOff))
        await #expect(throws: StoreError.changedMeanwhile) {
            try await store.compareAndSwap(id, from: read, to: InstanceStatus(vm: .active, task: .rebooting))
        }
        #expect(!(try await store.advanceTask(of: id, to: .spawning, expecting: [.networking])))
        #expect(
            !(try await store.finishOperation(on: id, vm: .active, power: .running, expecting: TaskState.building)))
        #expect(try await store.instance(id)?.status.task == .poweringOff)
    }

    @Test func operationNumbersAreNeverGivenTwice() async throws {
        let store = try await Scene.inMemory()
        let id = try await Scene.built(store)
        let numbers = try await withThrowingTaskGroup(of: Int64.self) { tasks in
            for _ in 0..<40 { tasks.addTask { try await store.nextOperation(on: id) } }
            return try await tasks.reduce(into: []) { $0.append($1) }
        }
        #expect(numbers.sorted() == Array(1...40))
        await #expect(throws: StoreError.self) { try await store.nextOperation(on: .random()) }
    }

    @Test func anObservationFromBeforeTheLastOperationIsRefused() async throws {
        let store = try await Scene.inMemory()
        let id = try await Scene.built(store)
        _ = try await store.nextOperation(on: id)
        try await store.finishOperation(on: id, vm: .active, power: .running, expecting: nil, operation: 1)
        #expect(!(try await store.observe(.shutdown, vm: .stopped, of: id, operation: 0)))
        // A number that was given out but never carried out hides nothing.
        _ = try await store.nextOperation(on: id)
        #expect(try await store.observe(.shutdown, vm: .stopped, of: id, operation: 1))
        #expect(!(try await store.observe(.shutdown, vm: .stopped, of: id, operation: 1)))
        try await store.begin(
            .start, on: id, saga: Scene.saga("power-instance", about: id), origin: Scene.origin())
        #expect(!(try await store.observe(.running, vm: .active, of: id, operation: 9)))
    }

    @Test func wiringMovesPortsAddressesAndRemembersWhatWasGiven() async throws {
        let store = try await Scene.inMemory()
        let (id, network) = (try await Scene.built(store), NetworkID.random())
        func interface(_ address: String, _ port: PortID) -> NetworkInterfaceSpec {
            NetworkInterfaceSpec(
                portID: port, networkID: network, networkName: "n", macAddress: "m", mtu: 1500, binding: .unbound,
                addresses: [FixedAddress(address: address, subnetID: .random(), cidr: "c", gateway: nil)])
        }
        let (mine, made) = (PortID.random(), PortID.random())
        try await store.noteGiven([mine: nil], of: id)
        #expect(try await store.givenPorts(of: id) == [mine])
        try await store.wire(
            id, interfaces: [interface("10.0.0.1", mine), interface("10.0.0.2", made)], given: [mine],
            addressesJSON: #"{"n":[]}"#, securityGroupsJSON: #"[{"name":"default"}]"#)
        try await store.wire(
            id, interfaces: [interface("10.0.0.3", mine)], addressesJSON: "{}", securityGroupsJSON: "[]")
        #expect(try await store.givenPorts(of: id) == [mine])
        #expect(try await store.instance(at: "10.0.0.1", on: network) == nil)
        #expect(try await store.instance(at: "10.0.0.3", on: network) == id)
        let other = try await Scene.built(store)
        try await store.noteGiven([mine: network], of: other)
        #expect(try await store.givenPorts(of: other) == [])
        #expect(try await store.wiredInstances(after: 0, limit: 9).map(\.id) == [id])
        try await store.markDeleted(id)
        #expect(try await store.givenPorts(of: id) == [])
        #expect(try await store.instance(at: "10.0.0.3", on: network) == nil)
    }

    @Test func actionsKeepTheirEventsAndTheLastHost() async throws {
        let store = try await Scene.inMemory()
        let id = try await Scene.create(store, Scene.instance(), request: "req-a")[0]
        try await store.beginEvent("build", on: id, requestID: "req-a", host: "h1")
        try await store.beginEvent("build", on: id, requestID: "req-a", host: "h2")
        try await store.endEvent("build", on: id, requestID: "req-a", failure: (details: "d", trace: "t"))
        try await store.finishAction(on: id, requestID: "req-a", failed: true)
        let (action, events) = try #require(try await store.action(of: id, requestID: "req-a"))
        #expect(action.message == "Error" && action.finishedAt != nil)
        #expect(events.map(\.event) == ["build"] && events.map(\.host) == ["h2"])
        #expect(events.map(\.result) == ["Error"] && events.map(\.details) == ["d"])
        try await store.recordFinishedAction("lock", on: id, origin: Scene.origin("req-b"))
        #expect(try await store.actions(of: id).map(\.action) == ["lock", "create"])
        #expect(try await store.actions(of: id, marker: "req-b").map(\.action) == ["create"])
        #expect(try await store.actions(of: id, limit: 1).count == 1)
    }

    @Test func metadataTagsAndFieldsChange() async throws {
        let store = try await Scene.inMemory()
        let id = try await Scene.built(store, Scene.instance(description: "old"))
        _ = try await store.changeMetadata(of: id) { $0["a"] = "1" }
        #expect(try await store.changeMetadata(of: id) { $0["b"] = "2" } == ["a": "1", "b": "2"])
        #expect(try await store.changeTags(of: id) { $0 = ["z", "y"] } == ["y", "z"])
        try await store.update(id, InstanceChanges(name: "new", description: .some(nil)))
        let row = try #require(try await store.instance(id))
        #expect(row.name == "new" && row.description == nil && row.metadataJSON == #"{"a":"1","b":"2"}"#)
        try await store.setLock(.locked(byOwner: false, reason: nil), on: id)
        #expect(try await store.instance(id)?.lock == .locked(byOwner: false, reason: nil))
        await #expect(throws: StoreError.self) { try await store.update(.random(), InstanceChanges(name: "x")) }
    }
}

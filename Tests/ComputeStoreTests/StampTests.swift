import ComputeModel
import ComputeStore
import Testing

/// A stamp tells whether a server's row is as it was.
struct StampTests {
    private static func stamp(_ store: ComputeStore, _ id: InstanceID) async throws -> InstanceStamp? {
        let query = InstanceQuery(conditions: [.ids([id])])
        let listed: [ListedInstance<InstanceStamp>] = try await store.instances(query) { $0 }
        guard case .known(let stamp)? = listed.first else { return nil }
        return stamp
    }

    private struct Change: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let make: @Sendable (ComputeStore, InstanceID) async throws -> Void

        init(_ name: String, _ make: @escaping @Sendable (ComputeStore, InstanceID) async throws -> Void) {
            (testDescription, self.make) = (name, make)
        }
    }

    private static let active = InstanceStatus(vm: .active, task: nil)
    private static let stopping = InstanceStatus(vm: .active, task: .poweringOff)

    private static let changes: [Change] = [
        Change("update") { store, id in
            try await store.update(id, InstanceChanges(name: "another"))
        },
        Change("metadata") { store, id in _ = try await store.changeMetadata(of: id) { $0["k"] = "v" } },
        Change("tags") { store, id in _ = try await store.changeTags(of: id) { $0.insert("new") } },
        Change("lock") { store, id in try await store.setLock(.locked(byOwner: true, reason: "why"), on: id) },
        Change("unlock") { store, id in
            try await store.setLock(.locked(byOwner: false, reason: nil), on: id)
            try await store.setLock(.unlocked, on: id)
        },
        Change("place") { store, id in
            try await store.place(id, host: "h2", node: "n2", nodeID: .random(), availabilityZone: "z")
        },
        Change("wire") { store, id in
            try await store.wire(id, interfaces: [], addressesJSON: #"{"n":[]}"#, securityGroupsJSON: "[]")
        },
        Change("compare and swap") { store, id in try await store.compareAndSwap(id, from: active, to: stopping) },
        Change("advance a task") { store, id in
            try await store.compareAndSwap(id, from: active, to: stopping)
            let isAdvanced = try await store.advanceTask(of: id, to: nil, expecting: [.poweringOff])
            #expect(isAdvanced)
        },
        Change("finish an operation") { store, id in
            let isDone = try await store.finishOperation(on: id, vm: .stopped, power: .shutdown, expecting: nil)
            #expect(isDone)
        },
        Change("observe") { store, id in
            let isNew = try await store.observe(.shutdown, vm: .stopped, of: id, operation: 0)
            #expect(isNew)
        },
        Change("delete") { store, id in try await store.markDeleted(id) },
    ]

    @Test(arguments: changes) private func everyChangeGivesANewStamp(change: Change) async throws {
        let store = try await Scene.inMemory()
        let (id, other) = (try await Scene.built(store), try await Scene.built(store))
        let (before, beside) = (try await Self.stamp(store, id), try await Self.stamp(store, other))
        let row = try await store.instance(id)
        try await change.make(store, id)
        let after = try #require(try await Self.stamp(store, id))
        #expect(after != before)
        #expect(after.number == before?.number)
        let changed = try await store.instance(id, includingDeleted: true)
        #expect(String(reflecting: changed) != String(reflecting: row))
        #expect(try await Self.stamp(store, other) == beside)
    }

    @Test func whatNobodySeesLeavesTheStamp() async throws {
        let store = try await Scene.inMemory()
        let id = try await Scene.built(store)
        let before = try await Self.stamp(store, id)
        _ = try await store.nextOperation(on: id)
        _ = try await store.storePassword("secret", of: id)
        _ = try await store.observe(.running, vm: .active, of: id, operation: 9)
        #expect(try await Self.stamp(store, id) == before)
    }

    @Test func onlyUnknownRowsAreRead() async throws {
        let store = try await Scene.inMemory()
        var ids: [InstanceID] = []
        for number in 0..<600 { ids += try await Scene.create(store, Scene.instance("vm\(number)")) }
        let newestFirst = InstanceQuery(conditions: [.project("p")])
        let listed: [ListedInstance<InstanceID>] = try await store.instances(newestFirst) { stamp in
            stamp.number.isMultiple(of: 3) ? stamp.id : nil
        }
        var known = 0
        let order = listed.map { server in
            switch server {
            case .known(let id):
                known += 1
                return id
            case .row(let record, let stamp):
                #expect(record.id == stamp.id && record.number == stamp.number)
                return record.id
            }
        }
        #expect(order == ids.reversed())
        #expect(known == 200)
        #expect(try await store.instanceNames(newestFirst).map(\.id) == order)
        #expect(try await store.instanceNames(newestFirst).first?.name == "vm599")
    }
}

import ComputeModel
import ComputeStore
import Database
import DatabaseServers
import Testing

@Suite(.everyEngine) struct CreationTests {
    @Test func aServerIsStoredWithItsActionAndItsSaga() async throws {
        try await Scene.inFile { store in
            let id = try await Scene.create(store, Scene.instance("web", tags: ["b", "a", "b"]))[0]
            let found = try #require(try await store.instance(id))
            #expect(found.name == "web" && found.status == InstanceStatus(vm: .building, task: .scheduling))
            #expect(found.tagsJSON == #"["a","b"]"#)
            #expect(try await store.actions(of: id).map(\.action) == ["create"])
            #expect(try await store.isRunning(saga: "build-instance", about: id))
            #expect(try await store.instance(id, project: "other") == nil)
        }
    }

    @Test func whatIsTooMuchIsRefusedWholeAndNamesEveryLimit() async throws {
        let store = try await Scene.inMemory()
        try await Scene.create(store, Scene.instance())
        let limits = CreationLimits(instances: 2, cores: 5, memoryMiB: -1)
        let new = [Scene.instance(), Scene.instance()]
        await #expect(
            throws: StoreError.quotaExceeded(
                QuotaExceeded(resources: [
                    .init(name: "instances", requested: 2, used: 1, limit: 2),
                    .init(name: "cores", requested: 4, used: 2, limit: 5),
                ]))
        ) {
            try await store.createInstances(new, sagas: [], origin: Scene.origin(), limits: limits)
        }
        #expect(try await store.usage(ofProject: "p") == ProjectUsage(instances: 1, cores: 2, memoryMiB: 512))
    }

    @Test(arguments: [false, true]) func concurrentCreatorsNeverPassTheLimitTogether(onDisk: Bool) async throws {
        if onDisk {
            try await Scene.inFile { try await compete($0) }
        } else {
            try await compete(try await Scene.inMemory())
        }
    }

    private func compete(_ store: ComputeStore) async throws {
        let accepted = await withTaskGroup(of: Bool.self) { tasks in
            for number in 0..<64 {
                tasks.addTask {
                    let new = Scene.instance("vm\(number)")
                    do {
                        try await store.createInstances(
                            [new], sagas: [Scene.saga(about: new.id)], origin: Scene.origin(),
                            limits: CreationLimits(instances: 10, cores: -1, memoryMiB: -1))
                        // What was accepted is there for whoever reads next.
                        return try await store.instance(new.id) != nil
                    } catch {
                        return false
                    }
                }
            }
            return await tasks.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(accepted == 10)
        let used = try await store.usage(ofProject: "p").instances
        #expect(used == 10)
    }

    @Test func deletedServersDoNotCount() async throws {
        let store = try await Scene.inMemory()
        let id = try await Scene.create(store, Scene.instance())[0]
        try await store.markDeleted(id)
        try await store.markDeleted(id)
        #expect(try await store.usage(ofProject: "p").instances == 0)
        #expect(try await store.instance(id) == nil)
        let gone = try #require(try await store.instance(id, includingDeleted: true))
        #expect(gone.isDeleted && gone.status == InstanceStatus(vm: .deleted, task: nil) && gone.deletedAt != nil)
    }

    @Test func anAcceptedCreationCostsOneFlush() async throws {
        try await Scene.inFile { store in
            let before = Scene.flushes(store)
            try await Scene.create(store, Scene.instance())
            #expect(Scene.flushes(store) - before == 1)
        }
    }
}

import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import VMwareDriver

/// What goes wrong, and what is left afterwards.
@Suite(.enabled(if: VCenterWorld.obstacle == nil, "no vCenter simulator here: \(VCenterWorld.obstacle ?? "")"))
struct TroubleTests {
    private func startError(_ world: VCenterWorld, _ changes: [String: String]) async -> DriverError? {
        await driverError { await (try await world.driver(changes)).shutDown() }
    }

    @Test func everyBadBeginningIsOneSentence() async throws {
        let world = try VCenterWorld()
        let cases: [([String: String], String)] = [
            (["host_password": "wrong"], "host_password"), (["cluster_name": "none"], "it has DC0_C0"),
            (["datastore_regex": "ssd-.*"], "it has LocalDS_0"), (["ca_file": ""], "ca_file"),
        ]
        for (changes, words) in cases {
            let error = await startError(world, changes)
            guard case .badConfiguration(let text) = error else {
                Issue.record("\(changes): \(String(describing: error))")
                continue
            }
            #expect(text.contains("[vmware]") && text.contains(words), "\(text)")
            #expect(!text.contains(VCenterWorld.password))
        }
        #expect(await startError(world, ["ca_file": "", "insecure": "true"]) == nil)
        // A port where nobody listens.
        let error = await startError(world, ["host_port": "1"])
        guard case .unreachable = error else { throw VCenterWorld.Failure(description: "\(String(describing: error))") }
    }

    @Test func aServerThatIsTooOldOrNoVCenterIsRefused() async throws {
        let world = try VCenterWorld()
        for (api, version, words) in [("VirtualCenter", "5.5", "5.5"), ("HostAgent", "6.5", "not a vCenter")] {
            let services = [
                "propertyCollector", "sessionManager", "viewManager", "searchIndex", "fileManager",
                "virtualDiskManager",
            ]
            let references = services.map { "<\($0) type='X'>x</\($0)>" }.joined()
            let body =
                "<Envelope><Body><R><returnval><rootFolder type='Folder'>g</rootFolder>\(references)"
                + "<about><fullName>Old</fullName><apiType>\(api)</apiType><apiVersion>\(version)</apiVersion></about>"
                + "</returnval></R></Body></Envelope>"
            try await world.control("raw", body: Array(body.utf8))
            let error = await startError(world, [:])
            guard case .badConfiguration(let text) = error else {
                throw VCenterWorld.Failure(description: "\(String(describing: error))")
            }
            #expect(text.contains(words))
        }
    }

    @Test func hostileAnswersAreTypedErrors() async throws {
        let world = try VCenterWorld()
        let driver = try await world.driver()
        let bomb = "<!DOCTYPE l [<!ENTITY a 'haha'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><l>&b;</l>"
        let answers = [
            bomb, "<Envelope><Body>", "", String(repeating: "<a>", count: 200_000),
            "<Envelope><Body><x>" + String(repeating: "y", count: 10 << 20) + "</x></Body></Envelope>",
            "<Envelope><Body><x><returnval type='VirtualMachine'>vm-404</returnval></x></Body></Envelope>",
            "<Envelope><Body><x><returnval>not a reference</returnval></x></Body></Envelope>",
        ]
        let guest = GuestID.random()
        for answer in answers {
            try await world.control("raw", body: Array(answer.utf8))
            let started = ContinuousClock.now
            let error = await driverError { _ = try await driver.powerState(of: guest) }
            #expect(error != nil, "\(answer.prefix(60))")
            #expect(ContinuousClock.now - started < .seconds(20))
        }
        await driver.shutDown()
    }

    @Test func longListsComeInPages() async throws {
        let world = try VCenterWorld()
        let driver = try await world.driver()
        let ids = (0..<2).map { _ in GuestID.random() }
        for (number, id) in ids.enumerated() {
            let token = number == 0 ? "<token>more</token>" : ""
            let properties = [
                ("name", "guest \(number)"), ("runtime.powerState", "poweredOn"), ("config.instanceUuid", "\(id)"),
            ]
            let set = properties.map { name, value in
                "<propSet><name>\(name)</name><val xsi:type='xsd:string'>\(value)</val></propSet>"
            }
            let body =
                "<Envelope xmlns:xsi='x'><Body><R><returnval>\(token)<objects><obj type='VirtualMachine'>"
                + "vm-\(number)</obj>\(set.joined())</objects></returnval></R></Body></Envelope>"
            try await world.control("raw", body: Array(body.utf8))
        }
        #expect(try await driver.guests().map(\.id) == ids)
        #expect(try await world.control("calls").hasSuffix("RetrievePropertiesEx\nContinueRetrievePropertiesEx"))
        await driver.shutDown()
    }

    @Test func aForgottenSessionIsRenewed() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image, rootGiB: 0)
        try await world.control("expire")
        _ = try await driver.spawn(spec, call(1))
        try await world.control("expire")
        #expect(try await driver.powerState(of: spec.id) == .running)
        // The updates go on in the new session.
        var events = driver.events().makeAsyncIterator()
        try await world.control("expire")
        while let event = await events.next() { if event == .missed { break } }
        try await world.control("power?uuid=\(spec.id)&state=poweredOff")
        while let event = await events.next() { if event == .power(spec.id, .shutdown) { break } }
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        #expect(host.logged.filter { $0.contains("cannot be used") } == [], "an ended session is no trouble")
        await driver.shutDown()
    }

    @Test func whatOthersDoIsTold() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image, rootGiB: 0)
        _ = try await driver.spawn(spec, call(1))
        var events = driver.events().makeAsyncIterator()
        for (state, power) in [("poweredOff", PowerState.shutdown), ("poweredOn", .running), ("suspended", .suspended)]
        {
            try await world.control("power?uuid=\(spec.id)&state=\(state)")
            while let event = await events.next() { if event == .power(spec.id, power) { break } }
        }
        await driver.shutDown()
        while await events.next() != nil {}
    }

    @Test func aWaitThatIsCutOnceSaysNothingOfTheServer() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        var health = driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        let missed = Locked(false)
        let events = driver.events()
        let reader = Task { for await event in events where event == .missed { missed.with { $0 = true } } }
        // There may have been nothing to cut: the driver asks again and again.
        for _ in 0..<30 where !missed.with({ $0 }) {
            try await world.control("cut")
            let end = ContinuousClock.now + .seconds(2)
            while !missed.with({ $0 }), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        }
        #expect(missed.with { $0 })
        #expect(try await driver.guests().isEmpty)
        await driver.shutDown()
        // Nothing but the end has come since.
        #expect(await health.next() == nil)
        await reader.value
    }

    @Test func anAbsentServerIsUnhealthyUntilItIsBack() async throws {
        let world = try VCenterWorld()
        let driver = try await world.driver()
        var health = driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        var events = driver.events().makeAsyncIterator()
        try await world.control("down")
        guard case .unhealthy(let reason) = await health.next() else {
            throw VCenterWorld.Failure(description: "still healthy")
        }
        #expect(reason.contains("127.0.0.1:\(world.port)"))
        let error = await driverError { _ = try await driver.guests() }
        guard case .unreachable = error else { throw VCenterWorld.Failure(description: "\(String(describing: error))") }
        try await world.control("up")
        while let now = await health.next() { if now == .healthy { break } }
        while let event = await events.next() { if event == .missed { break } }
        #expect(try await driver.guests().isEmpty)
        await driver.shutDown()
        #expect(await events.next() == nil)
    }

    @Test(arguments: [
        ("CreateVM_Task", "NoDiskSpace"), ("CreateVM_Task", "DuplicateName"), ("ReconfigVM_Task", "NoPermission"),
        ("Rename_Task", "InvalidState"), ("PowerOnVM_Task", "InsufficientMemoryResourcesFault"),
        ("CreateFolder", "NoPermission"), ("CreateVirtualDisk_Task", "NoDiskSpace"),
        ("MoveDatastoreFile_Task", "NoPermission"), ("CopyVirtualDisk_Task", "NoDiskSpace"),
        ("ExtendVirtualDisk_Task", "NoDiskSpace"), ("MakeDirectory", "NoPermission"),
    ])
    func aFailedSpawnLeavesNothing(method: String, fault: String) async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let before = try await world.contents()
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image, configDrive: ["a": [1]])
        try await world.control("fault?method=\(method)&type=\(fault)")
        let error = try #require(await driverError { _ = try await driver.spawn(spec, call(1)) })
        #expect(error.message.contains(fault) && error.message.contains("planned by the test"), "\(error)")
        #expect(error.remedy == .reschedule)
        #expect(try await world.contents() == before)
        #expect(try await driver.guests().isEmpty)
        // The same operation again succeeds.
        _ = try await driver.spawn(spec, call(1))
        #expect(try await driver.powerState(of: spec.id) == .running)
        await driver.shutDown()
    }

    @Test func aSlowTaskIsFollowedByUpdatesAndCancelled() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let before = try await world.contents()
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image)
        try await world.control("slow?method=CreateVM_Task&milliseconds=2000")
        _ = try await driver.spawn(spec, call(1))
        let reports = host.progress.filter { $0.phase == "creating machine" }.compactMap(\.percent)
        #expect(!reports.isEmpty && reports.allSatisfy { (0...100).contains($0) }, "\(reports)")
        try await driver.destroy(spec.id, call(2))

        let other = guestSpec(image)
        try await world.control("slow?method=CreateVM_Task&milliseconds=60000")
        let spawning = Task { try await driver.spawn(other, call(1)) }
        #expect(try await eventually { try await world.control("calls").hasSuffix("ModifyListView") })
        let started = ContinuousClock.now
        spawning.cancel()
        let result = await spawning.result
        #expect(ContinuousClock.now - started < .seconds(5))
        #expect(throws: DriverError.cancelled) { try result.get() }
        #expect(try await world.contents() == before)
        await driver.shutDown()
    }

    @Test func whatAKilledProcessLeftIsReplaced() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image)
        _ = try await driver.spawn(spec, call(1))
        // As if the process had been killed before the end.
        let machine = try #require(try await driver.find(spec.id))
        var record = machine.record
        record.isComplete = false
        try await driver.reconfigure(machine, record.options())
        _ = try await driver.spawn(spec, call(2))
        let made = try #require(try await driver.find(spec.id))
        #expect(made.reference != machine.reference && made.record.isComplete && made.record.spawnedBy == 2)
        #expect(try await driver.guests().count == 1)
        let twice = await driverError { _ = try await driver.spawn(spec, call(3)) }
        guard case .refused = twice else { throw VCenterWorld.Failure(description: "\(String(describing: twice))") }
        await driver.shutDown()
    }

    @Test func wishesThatCannotBeMetAreRefused() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let before = try await world.contents()
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        var large = image
        large.sizeBytes = 1 << 60
        let bridged = interfaceSpec(binding: .bridge(bridge: "br", tap: "tap"))
        let cases: [(GuestSpec, String)] = [
            (guestSpec(image, interfaces: [bridged]), "bridge"), (guestSpec(nil), "neither an image nor a volume"),
            (guestSpec(large), "MiB free"),
            (guestSpec(image, extraSpecs: ["hw:cpu_policy": "dedicated"]), "hw:cpu_policy"),
        ]
        for (spec, words) in cases {
            let error = await driverError { _ = try await driver.spawn(spec, call(1)) }
            #expect(error?.message.contains(words) == true, "\(String(describing: error))")
        }
        let lonely = try await world.driver(["integration_bridge": "nowhere"], host: world.host("lonely"))
        let error = await driverError {
            _ = try await lonely.spawn(guestSpec(image, interfaces: [interfaceSpec()]), call(1))
        }
        #expect(error != nil)
        #expect(try await world.contents() == before)
        await lonely.shutDown()
        await driver.shutDown()
    }

    @Test func manyGuestsAtOnceShareOneFetch() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let specs = (0..<8).map { guestSpec(image, name: "guest \($0)") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for spec in specs { group.addTask { _ = try await driver.spawn(spec, call(1)) } }
            try await group.waitForAll()
        }
        #expect(host.fetches == 1)
        #expect(Set(try await driver.guests().map(\.id)) == Set(specs.map(\.id)))
        let ports = try await withThrowingTaskGroup(of: Int.self) { group in
            for spec in specs {
                group.addTask {
                    try await #require(driver.capabilities.consoles).console(.vnc, of: spec.id).port
                }
            }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(ports.count == specs.count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for spec in specs { group.addTask { try await driver.destroy(spec.id, call(2)) } }
            try await group.waitForAll()
        }
        #expect(try await driver.guests().isEmpty)
        await driver.shutDown()
    }
}

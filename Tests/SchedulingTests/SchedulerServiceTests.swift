import ComputeModel
import ComputeStore
import Database
import DatabaseServers
import Logging
import Messaging
import Scheduling
import ServiceInterfaces
import Testing

/// Placement as far as schedulers see it: rooms by provider, claims by consumer.
actor FakePlacement {
    private var room: [ProviderID: Int] = [:]
    private(set) var claims: [ConsumerID: ProviderID] = [:]
    private(set) var refused = 0
    /// Offered although somebody else is about to take it.
    private var contested: Set<ProviderID> = []
    private var unknownClass = false
    private var traits: [ProviderID: Set<ComputeModel.Trait>] = [:]
    private(set) var questions: [FindCandidates] = []

    func offer(_ provider: ProviderID, room count: Int) { room[provider] = count }
    func mark(_ provider: ProviderID, _ names: [String]) {
        traits[provider] = Set(names.map { ComputeModel.Trait($0) })
    }
    func contest(_ provider: ProviderID) { contested.insert(provider) }
    func knowNothing() { unknownClass = true }

    func find(_ message: FindCandidates) throws -> FindCandidates.Reply {
        if unknownClass { throw RemoteFault(kind: FaultKind.notFound, message: "No such resource class CUSTOM_X.") }
        questions.append(message)
        // Of disk space there is none beyond 100 GiB.
        let wanted = room.keys.sorted().filter { provider in
            let has = traits[provider] ?? []
            return (message.inTree == nil || provider == message.inTree)
                && message.requiredTraits.allSatisfy { !$0.isDisjoint(with: has) }
                && message.forbiddenTraits.isDisjoint(with: has) && message.resources[.diskGiB] ?? 0 <= 100
        }
        return FindCandidates.Reply(
            candidates: wanted.map { AllocationCandidate(root: $0, allocations: [$0: message.resources]) })
    }

    func claim(_ message: ClaimResources) throws -> Acknowledged {
        guard let provider = message.allocations.keys.first, let left = room[provider], left > 0,
            !contested.contains(provider)
        else {
            refused += 1
            throw RemoteFault(kind: FaultKind.conflict, message: "too little is left")
        }
        room[provider] = left - 1
        claims[message.consumer] = provider
        return Acknowledged()
    }

    func release(_ message: ReleaseResources) -> Acknowledged {
        if let provider = claims.removeValue(forKey: message.consumer) { room[provider, default: 0] += 1 }
        return Acknowledged()
    }

    nonisolated var handlers: [RPCHandler] {
        [
            RPCHandler { (message: FindCandidates, _) in try await self.find(message) },
            RPCHandler { (message: ClaimResources, _) in try await self.claim(message) },
            RPCHandler { (message: ReleaseResources, _) in await self.release(message) },
        ]
    }
}

struct SchedulerServiceTests {
    /// A scheduler with two hosts, h1 with more memory free.
    private struct Deployment {
        let bus: MessageBus
        let placement = FakePlacement()
        let store: ComputeStore
        var nodes: [String: NodeID] = [:]

        init(rooms: [(String, Int)], prefilters: PrefilterOptions = PrefilterOptions()) async throws {
            let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
            store = try await ComputeStore.open(database, now: Timestamp.now)
            bus = try await MessageBus(over: InProcessTransport(encodes: true))
            for (index, (host, room)) in rooms.enumerated() {
                try await store.heartbeat(
                    binary: "nova-compute", host: host, topic: "compute", version: 1, trouble: nil)
                let node = try await store.reportNode(
                    host: host, driver: "fake", hostIP: "127.0.0.1",
                    inventory: Scene.inventory(host, memoryMiB: 8192 - 1024 * index), traits: [], bindings: [.bridge])
                nodes[host] = node
                await placement.offer(ProviderID(node.uuid), room: room)
            }
            _ = try await bus.serve(topic: Topic.placement, placement.handlers)
            let known = HostFilter.known(FilterLimits())
            let selector = DestinationSelector(
                filters: ["ComputeFilter", "ComputeCapabilitiesFilter"].compactMap { known[$0] },
                weighers: HostWeigher.standard(WeigherMultipliers()))
            var options = SchedulerServiceOptions(selector: selector)
            options.prefilters = prefilters
            let service = SchedulerService(
                options, store: store, bus: bus,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            _ = try await service.serve()
        }

        func provider(_ host: String) throws -> ProviderID { ProviderID(try #require(nodes[host]).uuid) }

        func select(
            _ count: Int = 1, excluding: [String] = [], _ spec: RequestSpec = Scene.spec()
        ) async throws -> [String] {
            let instances = (0..<count).map { _ in InstanceID.random() }
            let message = SelectDestinations(spec: spec, instances: instances, excludedHosts: excluding)
            return try await bus.call(message, to: Address(topic: Topic.scheduler)).selections.map(\.host)
        }

        func refusal(_ body: () async throws -> Void) async throws -> String {
            do {
                try await body()
                return "none"
            } catch MessagingError.remote(let fault) where fault.kind == FaultKind.noValidHost {
                return fault.message
            }
        }
    }

    @Test func theBestHostIsChosenAndClaimed() async throws {
        let it = try await Deployment(rooms: [("h1", 9), ("h2", 9)])
        #expect(try await it.select() == ["h1"])
        #expect(await it.placement.claims.values.map(\.uuid) == [it.nodes["h1"]?.uuid])
        #expect(try await it.select(excluding: ["h1"]) == ["h2"])
        #expect(try await it.select(1, Scene.spec(forcedHost: "h2")) == ["h2"])
    }

    @Test func instancesOfOneRequestSeeEachOther() async throws {
        let it = try await Deployment(rooms: [("h1", 9), ("h2", 9)])
        #expect(try await it.select(4) == ["h1", "h2", "h1", "h2"])
    }

    @Test func aClaimThatIsRefusedFallsToTheNextHost() async throws {
        let it = try await Deployment(rooms: [("h1", 9), ("h2", 9)])
        await it.placement.contest(ProviderID(try #require(it.nodes["h1"]).uuid))
        #expect(try await it.select() == ["h2"])
        #expect(await it.placement.refused == 1)
    }

    @Test func whenOneOfSeveralFindsNoPlaceAllAreReleased() async throws {
        let it = try await Deployment(rooms: [("h1", 1), ("h2", 1)])
        let reason = try await it.refusal { _ = try await it.select(3) }
        #expect(reason.contains("its resources were taken meanwhile"))
        #expect(await it.placement.claims.isEmpty)
    }

    @Test func nobodyFitsAndTheReasonSaysWhy() async throws {
        let it = try await Deployment(rooms: [("h1", 1)])
        let spec = Scene.spec(extraSpecs: ["capabilities:hypervisor_type": "xen"])
        let reason = try await it.refusal { _ = try await it.select(1, spec) }
        #expect(reason.contains("h1: the flavor asks for capabilities:hypervisor_type = xen; the host has QEMU"))
        let none = try await it.refusal { _ = try await it.select(1, Scene.spec(forcedHost: "nobody")) }
        #expect(none.contains("resources and traits: 0"))
    }

    @Test func imagesGoWhereTheirFormatIsTaken() async throws {
        let it = try await Deployment(rooms: [("h1", 9), ("h2", 9)])
        await it.placement.mark(try it.provider("h2"), ["COMPUTE_IMAGE_TYPE_RAW"])
        let spec = Scene.spec(imageProperties: [:])
        #expect(try await it.select(1, spec) == ["h2"])
        // Who forces a host, answers for it.
        #expect(try await it.select(1, Scene.spec(imageProperties: [:], forcedHost: "h1")) == ["h1"])
        let reason = try await it.refusal { _ = try await it.select(excluding: ["h2"], spec) }
        #expect(reason.contains("h1: it takes no images of the format raw"))
        var lax = PrefilterOptions()
        lax.asksForImageFormat = false
        #expect(try await Deployment(rooms: [("h1", 9)], prefilters: lax).select(1, spec) == ["h1"])
    }

    @Test func propertiesOfImagesBecomeTraitsWhereThatIsAskedFor() async throws {
        var strict = PrefilterOptions()
        (strict.asksForImageFormat, strict.asksForImageProperties) = (false, true)
        let it = try await Deployment(rooms: [("h1", 9), ("h2", 9)], prefilters: strict)
        await it.placement.mark(
            try it.provider("h2"),
            ["COMPUTE_STORAGE_BUS_SCSI", "COMPUTE_NET_VIF_MODEL_NE2K_PCI", "HW_ARCH_X86_64"])
        let wishes = ["hw_disk_bus": "scsi", "hw_vif_model": "ne2k-pci", "hw_architecture": "amd64", "os_type": "x"]
        #expect(try await it.select(1, Scene.spec(imageProperties: wishes)) == ["h2"])
        let reason = try await it.refusal {
            _ = try await it.select(1, Scene.spec(imageProperties: ["hw_video_model": "qxl"]))
        }
        #expect(reason.contains("h1: it has no hw_video_model = qxl, as the image asks"))
    }

    @Test func traitsOfFlavorAndImageDecideAndTheReasonNamesThem() async throws {
        let it = try await Deployment(rooms: [("h1", 9), ("h2", 9)])
        await it.placement.mark(try it.provider("h1"), ["CUSTOM_A", "COMPUTE_IMAGE_TYPE_RAW"])
        await it.placement.mark(try it.provider("h2"), ["CUSTOM_A", "CUSTOM_B", "COMPUTE_IMAGE_TYPE_RAW"])
        let flavor = ["trait:CUSTOM_B": "forbidden"]
        let image = ["trait:CUSTOM_A": "required"]
        #expect(try await it.select(1, Scene.spec(extraSpecs: flavor, imageProperties: image)) == ["h1"])
        #expect(try await it.select(1, Scene.spec(extraSpecs: ["trait:CUSTOM_B": "required"])) == ["h2"])
        let reason = try await it.refusal {
            // The image forbids what the flavor requires: both count.
            _ = try await it.select(
                1,
                Scene.spec(
                    extraSpecs: ["trait:CUSTOM_B": "required"], imageProperties: ["trait:CUSTOM_B": "forbidden"]))
        }
        #expect(reason.contains("resources and traits: 0"))
        #expect(reason.contains("h1: it lacks the trait CUSTOM_B, which the flavor requires"))
        #expect(reason.contains("h2: it has the trait CUSTOM_B, which the image forbids"))
    }

    @Test func whatIsTooLargeIsNamed() async throws {
        let it = try await Deployment(rooms: [("h1", 9)])
        let reason = try await it.refusal {
            _ = try await it.select(1, Scene.spec(extraSpecs: ["resources:DISK_GB": "101"]))
        }
        #expect(reason.contains("h1: it has no 101 DISK_GB free"))
        // Reasons are looked for only when they are needed.
        let asked = await it.placement.questions.count
        _ = try await it.select()
        #expect(await it.placement.questions.count == asked + 1)
    }

    @Test func aClassThatPlacementDoesNotKnowFitsNowhere() async throws {
        let it = try await Deployment(rooms: [("h1", 1)])
        await it.placement.knowNothing()
        let reason = try await it.refusal { _ = try await it.select() }
        #expect(reason == "No valid host was found. No such resource class CUSTOM_X.")
    }

    @Test func aHostThatIsSilentIsPassedOver() async throws {
        let it = try await Deployment(rooms: [("h1", 9), ("h2", 9)])
        let service = try #require(try await it.store.services().first { $0.host == "h1" })
        try await it.store.updateService(service.id, forcedDown: true)
        #expect(try await it.select() == ["h2"])
    }
}

import ComputeModel
import ComputeStore
import Logging
import Messaging
import Sagas
import ServiceInterfaces

/// One attempt to build a server: choose a host and claim its resources, connect the server, boot it there.
enum BuildOnHost: Saga {
    static let name = "build-on-host"
    struct Parameters: Codable, Sendable {
        var request: BuildInstanceRequest
        /// Hosts that failed already.
        var excludedHosts: [String]
    }
    typealias Services = ConductorServices

    static let selection = StepKey<Selection>("select-destination")
    static let place = StepKey<NoOutput>("place")
    static let ports = StepKey<[NetworkInterfaceSpec]>("wire-ports")
    static let number = StepKey<Int64>("operation-number")
    static let spawn = StepKey<Booted>("spawn")
    static let finish = StepKey<NoOutput>("finish")

    /// What a boot left.
    struct Booted: Codable, Sendable {
        var power: PowerState
        var handle: StoredHandle?
    }

    /// The event that an attempt records.
    static func event(attempt: Int) -> String {
        attempt == 1 ? "compute__do_build_and_run_instance" : "compute__do_build_and_run_instance_\(attempt)"
    }

    // The host must be known for good before its agent hears of the guest: the number's step, which comes right
    // before, is the first that waits for the disk, and takes what the steps before it wrote along. Until then a power
    // failure leads back to the choice of a host, which releases what was claimed and moves the ports that it finds.
    // The boot's report need not be kept: the agent answers the same number with the same report. The finish waits for
    // the disk again, because it shows the server to its user as active.
    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(
                selection, undo: .run { try await $0.services.release($0.parameters.request.instance) },
                isRepeatable: true, wayOut: { await deleted($0) }
            ) { try await select($0) },
            SagaStep(place, undo: .run { try await unplace($0) }, isRepeatable: true) { try await putInPlace($0) },
            SagaStep(
                ports, undo: .run { try await unwire($0) }, isRepeatable: true, wayOut: { await deleted($0) }
            ) { try await wire($0) },
            SagaStep(number, undo: .notNeeded(because: "a number that is not used is only skipped")) {
                try await $0.services.store.nextOperation(
                    on: $0.parameters.request.instance, durability: .deferred)
            },
            SagaStep(spawn, undo: .run { try await destroy($0) }, isRepeatable: true) { try await boot($0) },
            SagaStep(finish, undo: .notNeeded(because: "it is the last step")) { try await becomeActive($0) },
        ]
    }

    private static func deleted(_ context: SagaContext<Self>) async -> String? {
        do {
            _ = try await context.services.requireBuilding(context.parameters.request.instance)
            return nil
        } catch let failure as BuildFailure {
            return failure.description
        } catch {
            return nil
        }
    }

    private static func select(_ context: SagaContext<Self>) async throws -> Selection {
        let services = context.services
        let id = context.parameters.request.instance
        let work = try await services.requireBuilding(id)
        let spec = try StoredJSON.decode(RequestSpec.self, work.specJSON)
        // A step that is run again may have claimed something already.
        try await services.release(id)
        let question = SelectDestinations(
            spec: spec, instances: [id], excludedHosts: context.parameters.excludedHosts)
        do {
            let answer = try await services.bus.call(question, to: Address(topic: Topic.scheduler))
            guard let first = answer.selections.first else {
                throw BuildFailure(.giveUp, "The scheduler answered without a destination.")
            }
            return first
        } catch let error as MessagingError {
            throw failure(of: error)
        }
    }

    /// What the scheduler refuses ends the build; what only went wrong on the way is tried again.
    private static func failure(of error: MessagingError) -> any Error {
        switch error {
        case .remote(let fault)
        where [FaultKind.noValidHost, FaultKind.notSupported, FaultKind.notFound].contains(fault.kind):
            BuildFailure(.giveUp, fault.message)
        case .malformed, .tooLarge, .unsupportedVersion: BuildFailure(.giveUp, "\(error)")
        case .remote, .deadlineExceeded, .noReceiver, .closed, .overloaded, .unreachable, .cancelled:
            PassingFailure(description: "scheduler: \(error)")
        }
    }

    private static func putInPlace(_ context: SagaContext<Self>) async throws {
        let request = context.parameters.request
        let selection = try context[selection]
        let store = context.services.store
        _ = try await context.services.requireBuilding(request.instance)
        try await store.place(
            request.instance, host: selection.host, node: selection.node, nodeID: selection.nodeID,
            availabilityZone: selection.availabilityZone)
        try await store.advanceTask(of: request.instance, to: .networking, expecting: [.scheduling])
        try await store.beginEvent(
            event(attempt: context.parameters.excludedHosts.count + 1), on: request.instance,
            requestID: request.requestID, host: selection.host)
    }

    private static func unplace(_ context: SagaContext<Self>) async throws {
        let request = context.parameters.request
        let store = context.services.store
        let reason = BuildFailure(reason: context.failure?.reason ?? "The build failed.")
        try await store.endEvent(
            event(attempt: context.parameters.excludedHosts.count + 1), on: request.instance,
            requestID: request.requestID, failure: reason.event)
        let asked = try await context.services.work(on: request.instance).instance.pinnedZone
        do {
            try await store.place(request.instance, host: nil, node: nil, nodeID: nil, availabilityZone: asked)
        } catch StoreError.notFound {
            return
        }
        try await store.advanceTask(of: request.instance, to: .scheduling, expecting: [.networking, .spawning])
    }

    private static func wire(_ context: SagaContext<Self>) async throws -> [NetworkInterfaceSpec] {
        let services = context.services
        let request = context.parameters.request
        let selection = try context[selection]
        let work = try await services.requireBuilding(request.instance)
        let place = PortPlace(
            host: selection.host, availabilityZone: selection.availabilityZone, bindings: selection.bindings)
        try await services.store.noteGiven(PortWiring.given(request), of: request.instance)
        let wiring = try await sortingPeerErrors {
            try await services.wiring.connect(
                request.instance, project: work.instance.projectID, request: request, at: place,
                known: work.interfaces)
        }
        try await services.store.wire(
            request.instance, interfaces: wiring.interfaces, given: wiring.given,
            addressesJSON: wiring.addressesJSON, securityGroupsJSON: wiring.securityGroupsJSON)
        return wiring.interfaces
    }

    private static func unwire(_ context: SagaContext<Self>) async throws {
        let request = context.parameters.request
        let services = context.services
        let given = try await services.store.givenPorts(of: request.instance)
        try await sortingPeerErrors { try await services.wiring.disconnect(request.instance, given: given) }
        do {
            try await services.store.wire(
                request.instance, interfaces: [], given: [], addressesJSON: "{}", securityGroupsJSON: "[]")
        } catch StoreError.notFound {
            return
        }
    }

    private static func boot(_ context: SagaContext<Self>) async throws -> Booted {
        let services = context.services
        let request = context.parameters.request
        let host = try context[selection].host
        let number = try context[number]
        if let booted = try await bootedBefore(request.instance, number, services) { return booted }
        do {
            // In here, because an earlier run of this step may have asked the agent already.
            let work = try await services.requireBuilding(request.instance)
            try await services.store.advanceTask(of: request.instance, to: .spawning, expecting: [.networking])
            let spec = try guestSpec(work, try context[ports], request, services)
            let result = try await services.perform(
                .spawn(spec), on: request.instance, host: host, operation: number, requestID: request.requestID
            ) {
                if let reason = await deleted(context) { return BuildFailure(reason: reason) }
                return try await services.isDown(host)
                    ? BuildFailure(.reschedule, "The host \(host) went down while the server was being built.") : nil
            }
            return Booted(power: result.power, handle: result.handle)
        } catch let failure as OperationFailure {
            services.logger.warning(
                "spawn failed", metadata: ["instance.id": "\(request.instance)", "details": "\(failure.details)"])
            throw BuildFailure(failure, as: failure.remedy == .giveUp ? .giveUp : .reschedule)
        } catch let failure as BuildFailure {
            // Nobody waits for this spawn any more: what it makes, or has made, is removed.
            try await services.destroyGuest(request.instance, host: host, requestID: request.requestID)
            throw failure
        }
    }

    /// What this very operation left, when the server is active through it already.
    private static func bootedBefore(
        _ id: InstanceID, _ number: Int64, _ services: ConductorServices
    ) async throws -> Booted? {
        let work = try await services.work(on: id)
        guard work.instance.status.vm == .active, work.settled == number else { return nil }
        return Booted(
            power: work.instance.power,
            handle: try work.handleJSON.map { try StoredJSON.decode(StoredHandle.self, $0) })
    }

    private static func guestSpec(
        _ work: InstanceWorkRecord, _ interfaces: [NetworkInterfaceSpec], _ request: BuildInstanceRequest,
        _ services: ConductorServices
    ) throws -> GuestSpec {
        let spec = try StoredJSON.decode(RequestSpec.self, work.specJSON)
        let instance = work.instance
        return GuestSpec(
            id: instance.id, name: instance.name, projectID: instance.projectID, userID: instance.userID,
            flavor: spec.flavor, image: spec.image, interfaces: interfaces,
            configDrive: instance.configDrive
                ? services.configDriveFiles(work, interfaces, request.adminPassword) : nil,
            metadata: try StoredJSON.decode([String: String].self, instance.metadataJSON))
    }

    private static func destroy(_ context: SagaContext<Self>) async throws {
        let request = context.parameters.request
        try await context.services.destroyGuest(
            request.instance, host: try context[selection].host, requestID: request.requestID)
    }

    private static func becomeActive(_ context: SagaContext<Self>) async throws {
        let request = context.parameters.request
        let store = context.services.store
        let booted = try context[spawn]
        // First, so that whoever sees the server active sees the action ended too. Should a deletion have begun, the
        // undoing says otherwise.
        for event in [event(attempt: context.parameters.excludedHosts.count + 1), BuildInstance.event] {
            try await store.endEvent(event, on: request.instance, requestID: request.requestID)
        }
        try await store.finishAction(on: request.instance, requestID: request.requestID, failed: false)
        let done = try await store.finishOperation(
            on: request.instance, vm: .active, power: booted.power, expecting: TaskState.building,
            handleJSON: try booted.handle.map { try StoredJSON.encode($0) }, launched: true,
            operation: try context[number])
        if !done {
            // Either this step is run again after it had succeeded, or a deletion has begun.
            let work = try await context.services.work(on: request.instance)
            guard work.instance.status.vm == .active, work.instance.status.task != .deleting else {
                throw BuildFailure(.giveUp, "The server was deleted while it was being built.")
            }
        }
    }
}

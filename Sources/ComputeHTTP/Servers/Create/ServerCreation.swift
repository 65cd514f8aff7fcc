import ComputeModel
import ComputeStore
import Identity
import ServiceInterfaces
import ServiceOptions
import WireJSON

/// The making of servers: everything is checked first, then servers, their actions and the sagas that build them are
/// stored together, or nothing is.
struct ServerCreation {
    /// What is said in the answer.
    struct Outcome {
        let first: InstanceID
        let reservation: String
        let password: String
    }

    /// The most servers that one request makes, whatever the quota.
    static let countMax = 1000

    private let call: ComputeCall
    private let request: CreateRequest
    private let project: String
    private let reservation: String
    private let password: String

    init(_ call: ComputeCall, _ request: CreateRequest) throws {
        (self.call, self.request) = (call, request)
        project = try call.project()
        var generator = SystemRandomNumberGenerator()
        reservation = RandomText.reservation(using: &generator)
        password =
            request.adminPassword
            ?? RandomText.password(length: call.services.options.service.passwordLength, using: &generator)
    }

    /// - Throws: 400, 403, 409, 503.
    func run() async throws -> Outcome {
        let place = try await RequestedPlace(request, call)
        let flavor = try await flavor()
        let limits = try await call.limits(of: project)
        if limits.metadataItems >= 0, request.metadata.count > limits.metadataItems {
            throw MetadataLimit.exceeded(limits.metadataItems)
        }
        let keyData = try await keyData()
        guard let imageID = request.imageID else { throw ComputeFault.badRequest("Missing imageRef attribute") }
        let image = try await RequestedImage.find(imageID, for: flavor, call)
        let networks = try await RequestedNetworks(call, count: request.countMax).resolve(request.networks)
        let groups = try await RequestedSecurityGroups.resolve(request.securityGroups, call)
        let draft = Draft(
            place: place, flavor: flavor, image: image, keyData: keyData, networks: networks, groups: groups)
        let sagas = try await store(draft, limits.creation)
        await ServerWork(call).wake(sagas.map(\.saga))
        return Outcome(first: sagas[0].instance, reservation: reservation, password: password)
    }

    /// What the servers of one request share.
    private struct Draft {
        let place: RequestedPlace
        let flavor: FlavorSpec
        let image: ImageSpec
        let keyData: String?
        let networks: NetworkRequest
        let groups: [String]
    }

    // MARK: Checks

    private func flavor() async throws -> FlavorSpec {
        let flavor = try await call.services.store.flavor(
            request.flavorID, accessOf: call.context.isAdmin ? nil : project)
        guard let flavor, !flavor.isDisabled else {
            throw ComputeFault.badRequest("Flavor \(request.flavorID) could not be found.")
        }
        return flavor.spec
    }

    private func keyData() async throws -> String? {
        guard let name = request.keyName else { return nil }
        guard let key = try await call.services.store.keypair(name, of: call.context.userID) else {
            throw ComputeFault.badRequest("Invalid key_name provided.")
        }
        return key.publicKey
    }

    // MARK: Storing

    /// Stores as many servers as asked for, or as the quota leaves, but at least the least.
    private func store(
        _ draft: Draft, _ limits: CreationLimits
    ) async throws -> [(instance: InstanceID, saga: NewSaga)] {
        var count = request.countMax
        if count > 1 {
            let used = try await call.services.store.usage(ofProject: project)
            count = try fitting(count, draft.flavor, used, limits)
        }
        guard count <= Self.countMax else {
            throw ComputeFault.badRequest("At most \(Self.countMax) servers can be created by one request.")
        }
        let instances = try (0..<count).map { try instance($0, of: count, draft) }
        let sagas = try instances.map { instance in
            let build = BuildInstanceRequest(
                instance: instance.id, requestID: call.context.requestID, networks: draft.networks,
                securityGroups: draft.groups, adminPassword: password)
            return (instance: instance.id, saga: try ServerWork.saga(SagaName.build, about: instance.id, build))
        }
        try await call.services.store.createInstances(
            instances, sagas: sagas.map(\.saga), origin: try call.origin(), limits: limits)
        return sagas
    }

    /// How many servers the quota leaves room for. The final count is made when they are stored.
    private func fitting(
        _ wanted: Int, _ flavor: FlavorSpec, _ used: ProjectUsage, _ limits: CreationLimits
    ) throws(ComputeFault) -> Int {
        var room = wanted
        var exceeded: [QuotaExceeded.Resource] = []
        func check(_ name: String, _ each: Int, _ used: Int, _ limit: Int) {
            let (requested, overflows) = each.multipliedReportingOverflow(by: wanted)
            guard limit >= 0, overflows || used + requested > limit else { return }
            if each > 0 { room = min(room, max(0, limit - used) / each) }
            exceeded.append(.init(name: name, requested: overflows ? .max : requested, used: used, limit: limit))
        }
        check("cores", flavor.vcpus, used.cores, limits.cores)
        check("instances", 1, used.instances, limits.instances)
        check("ram", flavor.memoryMiB, used.memoryMiB, limits.memoryMiB)
        guard room < wanted else { return wanted }
        guard room >= request.countMin, room > 0 else {
            throw ComputeFault(
                status: 403, message: QuotaExceeded(resources: exceeded).sentence, isCommon: true)
        }
        return room
    }

    private func instance(_ index: Int, of count: Int, _ draft: Draft) throws -> NewInstance {
        let id = InstanceID.random()
        let options = call.services.options
        let hasDrive =
            request.configDrive || options.configDrive.isForced
            || draft.image.properties["img_config_drive"] == "mandatory"
        return NewInstance(
            id: id, reservationID: reservation, launchIndex: index, projectID: project, userID: call.context.userID,
            name: ServerNames.display(request.name, index: index, of: count), description: request.description,
            hostname: request.hostname
                ?? ServerNames.host(request.name, id: id.description, index: index, of: count),
            availabilityZone: draft.place.zone, imagePropertiesJSON: try ImageProperties.stored(draft.image),
            keyName: request.keyName, keyData: draft.keyData, userData: request.userData, configDrive: hasDrive,
            autoDiskConfig: request.autoDiskConfig, accessIPv4: request.accessIPv4, accessIPv6: request.accessIPv6,
            metadata: request.metadata, tags: request.tags, trustedCertificatesJSON: nil,
            hintsJSON: JSONValue.object(request.hints).text, specJSON: try StoredJSON.encode(spec(draft)),
            flavor: draft.flavor, imageID: draft.image.id)
    }

    private func spec(_ draft: Draft) -> RequestSpec {
        var hints: [String: [String]] = [:]
        for (name, value) in request.hints {
            hints[name] = (value.array ?? [value]).map { $0.string ?? $0.text }
        }
        return RequestSpec(
            projectID: project, userID: call.context.userID, flavor: draft.flavor, image: draft.image,
            availabilityZone: draft.place.zone, forcedHost: draft.place.forcedHost,
            forcedNode: draft.place.forcedNode, requestedHost: draft.place.host, requestedNode: draft.place.node,
            hints: hints)
    }
}

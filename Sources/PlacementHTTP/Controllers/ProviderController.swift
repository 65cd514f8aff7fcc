import APIVersioning
import HTTPService
import Placement
import WireJSON

/// `/resource_providers`.
enum ProviderController {
    @Sendable static func list(_ call: PlacementCall) async throws -> HTTPResponse {
        let mirror = call.service.mirror
        let filter = try ProviderFilter(call, mirror)
        var writer = JSONWriter(capacity: 1 << 12)
        var modifiedAt: Int64?
        let view = ProviderView(call)
        writer.object { w in
            w.array("resource_providers") { w in
                for slot in filter.slots where filter.accepts(slot) {
                    view.write(slot, mirror, to: &w)
                    modifiedAt = max(modifiedAt ?? 0, mirror.modifiedAt(slot))
                }
            }
        }
        return call.answer(modifiedAt: modifiedAt, writer)
    }

    @Sendable static func show(_ call: PlacementCall) async throws -> HTTPResponse {
        let mirror = call.service.mirror
        return answer(try call.provider(mirror), mirror, call)
    }

    @Sendable static func create(_ call: PlacementCall) async throws -> HTTPResponse {
        let body = try await call.document()
        let name = body["name"]?.string ?? ""
        let uuid = body["uuid"]?.string.flatMap(UUIDText.normalized) ?? call.newUUID()
        do {
            guard !name.isEmpty else {
                throw PlacementError.parentRefused(action: "create", reason: "name is required")
            }
            try await call.service.createProvider(uuid: uuid, name: name, parent: body["parent_provider_uuid"]?.string)
        } catch let error as PlacementError {
            guard case .parentRefused = error else { throw error }
            throw PlacementFault.badRequest("Unable to create resource provider \"\(name)\", \(uuid): \(error)")
        }
        var response = HTTPResponse.empty(201)
        let mirror = call.service.mirror
        if call.has(PlacementVersions.providerBody), let slot = mirror.slot(uuid: uuid) {
            response = answer(slot, mirror, call)
        }
        response.headers.replaceOrAdd(name: "Location", value: call.request.absoluteURL("/resource_providers/\(uuid)"))
        return response
    }

    @Sendable static func update(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        _ = try call.provider(call.service.mirror)
        let body = try await call.document()
        let parent = body["parent_provider_uuid"].map { ParentChange.set($0.string) } ?? .unchanged
        do {
            try await call.service.updateProvider(
                uuid, name: body["name"]?.string ?? "", parent: parent,
                reparentingAllowed: call.has(PlacementVersions.reparenting))
        } catch let error as PlacementError {
            guard case .parentRefused = error else { throw error }
            throw PlacementFault.badRequest("Unable to save resource provider \(uuid): \(error)")
        }
        let mirror = call.service.mirror
        return answer(try call.provider(mirror), mirror, call)
    }

    @Sendable static func delete(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        do {
            try await call.service.deleteProvider(uuid)
        } catch let error as PlacementError {
            switch error {
            case .providerInUse:
                throw PlacementFault.conflict(
                    "Unable to delete resource provider \(uuid): \(error)", code: ErrorCode.providerInUse)
            case .providerHasChildren:
                throw PlacementFault.conflict(
                    "Unable to delete parent resource provider \(uuid): It has child resource providers.",
                    code: ErrorCode.cannotDeleteParent)
            case .providerNotFound:
                throw PlacementFault.notFound("No resource provider with uuid \(uuid) found for delete")
            default: throw error
            }
        }
        return call.answer(204)
    }

    private static func answer(
        _ slot: ProviderMirror.Slot, _ mirror: ProviderMirror, _ call: PlacementCall
    ) -> HTTPResponse {
        var writer = JSONWriter(capacity: 1 << 10)
        ProviderView(call).write(slot, mirror, to: &writer)
        return call.answer(modifiedAt: mirror.modifiedAt(slot), writer)
    }
}

/// A provider as the API shows it.
struct ProviderView {
    private let relations: [String]
    private let prefix: String
    private let showsTree: Bool

    init(_ call: PlacementCall) {
        var relations = ["inventories", "usages"]
        if call.has(PlacementVersions.aggregates) { relations.append("aggregates") }
        if call.has(PlacementVersions.traits) { relations.append("traits") }
        if call.has(PlacementVersions.allocationsLink) { relations.append("allocations") }
        self.relations = relations
        prefix = call.link("/resource_providers/")
        showsTree = call.has(PlacementVersions.nestedProviders)
    }

    func write(_ slot: ProviderMirror.Slot, _ mirror: ProviderMirror, to writer: inout JSONWriter) {
        let uuid = mirror.uuid(slot)
        writer.object { w in
            w.field("uuid", uuid)
            w.field("name", mirror.name(slot))
            w.field("generation", mirror.generation(slot))
            w.array("links") { w in
                let own = prefix + uuid
                write("self", own, to: &w)
                for relation in relations { write(relation, "\(own)/\(relation)", to: &w) }
            }
            guard showsTree else { return }
            w.field("parent_provider_uuid", mirror.parent(slot).map(mirror.uuid))
            w.field("root_provider_uuid", mirror.uuid(mirror.root(slot)))
        }
    }

    private func write(_ relation: String, _ path: String, to writer: inout JSONWriter) {
        writer.object { w in
            w.field("rel", relation)
            w.field("href", path)
        }
    }
}

/// The filters of the list of providers.
struct ProviderFilter {
    let slots: [ProviderMirror.Slot]
    private let mirror: ProviderMirror
    private let amounts: [(classID: Int, amount: Int64)]
    private let required: [TraitBits]
    private let forbidden: TraitBits
    private let memberOf: [Set<String>]
    private let forbiddenAggregates: Set<String>
    private let name: String?

    init(_ call: PlacementCall, _ mirror: ProviderMirror) throws(PlacementFault) {
        self.mirror = mirror
        func last(_ name: String) -> String? { call.request.query.values(name).last.flatMap { $0.isEmpty ? nil : $0 } }
        name = last("name")
        var aggregates: ([[String]], [String]) = ([], [])
        if call.request.query.contains("member_of") { aggregates = try call.memberOf("member_of", suffix: "") }
        memberOf = aggregates.0.map(Set.init)
        forbiddenAggregates = Set(aggregates.1)
        var traits: ([[String]], [String]) = ([], [])
        if call.request.query.contains("required") { traits = try call.requiredTraits("required") }
        var amounts: [(classID: Int, amount: Int64)] = []
        if let text = call.request.query.values("resources").last {
            for wanted in try QueryText.resources(text) {
                guard let id = mirror.catalog.classID(wanted.resourceClass) else {
                    throw .badRequest(
                        "Invalid resource class in resources parameter: "
                            + "\(PlacementError.resourceClassNotFound(wanted.resourceClass))")
                }
                amounts.append((id, wanted.amount))
            }
        }
        self.amounts = amounts
        var required: [TraitBits] = []
        for anyOf in traits.0 { required.append(try Self.bits(anyOf, mirror)) }
        self.required = required
        forbidden = try Self.bits(traits.1, mirror)
        if let uuid = last("uuid") {
            slots = mirror.slot(uuid: uuid).map { [$0] } ?? []
        } else if let tree = last("in_tree") {
            slots = mirror.slot(uuid: tree).map { mirror.members(ofTree: mirror.root($0)) } ?? []
        } else {
            slots = mirror.slots
        }
        tree = last("in_tree").map { mirror.slot(uuid: $0).map(mirror.root) ?? -1 }
    }

    private let tree: ProviderMirror.Slot?

    private static func bits(_ names: [String], _ mirror: ProviderMirror) throws(PlacementFault) -> TraitBits {
        var bits = TraitBits()
        for name in names {
            guard let id = mirror.catalog.traitID(name) else {
                throw .badRequest(
                    "Invalid trait(s) in \"required\" parameter: \(PlacementError.traitsNotFound([name]))")
            }
            bits.insert(id)
        }
        return bits
    }

    func accepts(_ slot: ProviderMirror.Slot) -> Bool {
        if let name, mirror.name(slot) != name { return false }
        if let tree, mirror.root(slot) != tree { return false }
        for (classID, amount) in amounts where !mirror.offers(slot, classID: classID, amount: amount) { return false }
        if !required.isEmpty || !forbidden.isEmpty {
            let bits = mirror.traitSet(slot).bits
            guard required.allSatisfy(bits.intersects), !bits.intersects(forbidden) else { return false }
        }
        guard !memberOf.isEmpty || !forbiddenAggregates.isEmpty else { return true }
        let aggregates = mirror.aggregates(slot)
        return memberOf.allSatisfy { anyOf in aggregates.contains(where: anyOf.contains) }
            && !aggregates.contains(where: forbiddenAggregates.contains)
    }
}

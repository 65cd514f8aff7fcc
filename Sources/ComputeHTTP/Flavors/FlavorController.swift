import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// Flavors: list, show, create, describe, delete.
enum FlavorController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        try await answer(call, FlavorView.brief, "flavors")
    }

    static func detail(_ call: ComputeCall) async throws -> HTTPResponse {
        try await answer(call, FlavorView.full, "flavors/detail")
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        answer(call, try await call.flavor())
    }

    static func create(_ call: ComputeCall) async throws -> HTTPResponse {
        let new = try NewFlavor(call.body["flavor"] ?? .null).record
        return answer(call, try await call.services.store.create(new))
    }

    static func update(_ call: ComputeCall) async throws -> HTTPResponse {
        let flavor = try await call.flavor()
        try await call.services.store.describeFlavor(
            flavor.flavorID, call.body["flavor"]?["description"]?.string)
        return answer(call, try await call.flavor())
    }

    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        try await call.services.store.deleteFlavor(call.parameter("flavor_id"))
        return call.answer()
    }

    private static func answer(_ call: ComputeCall, _ flavor: FlavorRecord) -> HTTPResponse {
        let subject = FlavorSubject(
            flavor, call.links, showsExtraSpecs: call.has(61) && call.allows(FlavorPolicy.extraSpecList))
        return call.answer { w in
            w.key("flavor")
            FlavorView.full.write(subject, at: call.version, to: &w)
        }
    }

    private static func answer(
        _ call: ComputeCall, _ view: View<FlavorSubject>, _ collection: String
    ) async throws -> HTTPResponse {
        let page = PageRequest(call)
        let flavors = try await flavors(call, page)
        let showsExtraSpecs = call.has(61) && call.allows(FlavorPolicy.extraSpecList)
        let plan = view.plan(at: call.version)
        return call.answer { w in
            w.array("flavors") { w in
                for flavor in flavors {
                    plan.write(FlavorSubject(flavor, call.links, showsExtraSpecs: showsExtraSpecs), to: &w)
                }
            }
            page.writeNext("flavors_links", collection, count: flavors.count, last: flavors.last?.flavorID, to: &w)
        }
    }

    private static func flavors(_ call: ComputeCall, _ page: PageRequest) async throws -> [FlavorRecord] {
        let query = try FlavorListRequest(call, page).query
        do {
            return try await call.services.store.flavors(query)
        } catch StoreError.notFound {
            throw page.unknownMarker
        }
    }
}

/// Which flavors a list asks for, in the store's terms.
struct FlavorListRequest {
    private(set) var query = FlavorQuery()

    /// - Throws: 400 for filters that cannot be read.
    init(_ call: ComputeCall, _ page: PageRequest) throws(ComputeFault) {
        try restrict(call)
        query.minMemoryMiB = try Self.number(call, "minRam")
        query.minRootGiB = try Self.number(call, "minDisk")
        query.name = call.query.values("name").last
        query.sortKey = Self.sortKey(call.query.values("sort_key").last)
        query.ascending = call.query.values("sort_dir").last != "desc"
        query.marker = page.marker
        query.limit = page.limit
    }

    /// Public ones together with the private ones of the caller's project; only administrators may ask for others.
    private mutating func restrict(_ call: ComputeCall) throws(ComputeFault) {
        var wanted: Bool? = true
        if call.context.isAdmin, let text = call.query.values("is_public").last {
            if text.lowercased() == "none" {
                wanted = nil
            } else if let value = BooleanText.strict(text) {
                wanted = value
            } else {
                throw .badRequest("Invalid is_public filter [\(text)]")
            }
        }
        switch (wanted, call.context.projectID) {
        case (true, .some(let project)): query.accessOf = project
        case (let wanted, _): query.isPublic = wanted
        }
    }

    private static func number(_ call: ComputeCall, _ name: String) throws(ComputeFault) -> Int? {
        guard let text = call.query.values(name).last else { return nil }
        guard let number = Int(text.trimmingSpaces) else { throw .badRequest("Invalid \(name) filter [\(text)]") }
        return number
    }

    /// `vcpu_weight` is a column that never had a value: the order is that of creation.
    private static func sortKey(_ name: String?) -> FlavorQuery.SortKey {
        switch name {
        case "created_at": .createdAt
        case "description": .description
        case "disabled": .isDisabled
        case "ephemeral_gb": .ephemeralGiB
        case "id", "vcpu_weight": .number
        case "is_public": .isPublic
        case "memory_mb": .memoryMiB
        case "name": .name
        case "root_gb": .rootGiB
        case "rxtx_factor": .rxtxFactor
        case "swap": .swapMiB
        case "updated_at": .updatedAt
        case "vcpus": .vcpus
        default: .flavorID
        }
    }
}

/// A flavor as a body describes it.
struct NewFlavor {
    let record: FlavorRecord

    init(_ body: JSONValue) throws(ComputeFault) {
        guard let memory = WholeNumber.value(body["ram"]), let vcpus = WholeNumber.value(body["vcpus"]),
            let disk = WholeNumber.value(body["disk"])
        else { throw .malformedBody }
        record = FlavorRecord(
            flavorID: Self.identifier(body["id"]), name: body["name"]?.string?.trimmingSpaces ?? "", vcpus: vcpus,
            memoryMiB: memory, rootGiB: disk,
            ephemeralGiB: WholeNumber.value(body["OS-FLV-EXT-DATA:ephemeral"]) ?? 0,
            swapMiB: WholeNumber.value(body["swap"]) ?? 0, rxtxFactor: try Self.factor(body["rxtx_factor"]),
            isPublic: body["os-flavor-access:is_public"].map { BooleanText.value($0) } ?? true,
            description: body["description"]?.string)
    }

    /// A new UUID where none is given; 0 counts as none, as it always has.
    private static func identifier(_ value: JSONValue?) -> String {
        switch value {
        case .string(let text): text
        case .int(let number) where number != 0: String(number)
        case .double(let number) where number != 0: number.description
        default: UUIDValue.random().description
        }
    }

    private static func factor(_ value: JSONValue?) throws(ComputeFault) -> Double {
        guard let value else { return 1 }
        guard let factor = value.double ?? value.string.flatMap({ Double($0) }), factor > 0, factor <= 3.40282e+38
        else {
            throw .invalid(
                "Invalid input received: 'rxtx_factor' argument must be a float between 0 and 3.40282e+38")
        }
        return factor
    }
}

extension ComputeCall {
    /// The flavor that the path names, if the caller may see it.
    ///
    /// - Throws: 404.
    func flavor() async throws -> FlavorRecord {
        let id = parameter("flavor_id")
        let project = context.isAdmin ? nil : context.projectID ?? ""
        guard let flavor = try await services.store.flavor(id, accessOf: project) else {
            throw ComputeFault.notFound("Flavor \(id) could not be found.")
        }
        return flavor
    }
}

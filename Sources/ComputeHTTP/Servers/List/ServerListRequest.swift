import ComputeModel
import ComputeStore
import HTTPService
import Identity
import ServiceOptions

/// Which servers a list asks for, in the store's terms.
struct ServerListRequest {
    /// Nil when the filters contradict what can exist: the list is empty.
    private(set) var query: InstanceQuery?
    /// How many servers fill a page; 0 asks for none.
    let pageSize: Int

    /// - Throws: 400 and 403, in the reference's words and order.
    init(_ call: ComputeCall, allProjects rule: PolicyRule) throws {
        let limit = try Self.limit(call)
        pageSize = limit
        var filters = Self.permitted(call)
        try Self.refuseInternal(filters, call)
        guard var conditions = try Self.statusConditions(call, &filters) else { return }
        conditions += try Self.changeConditions(&filters)
        try Self.addDeleted(&filters, to: &conditions, call)
        conditions += Self.tagConditions(&filters, call)
        if let project = try Self.projectCondition(&filters, call, rule) { conditions.append(project) }
        if let locked = filters.removeValue(forKey: "locked") {
            guard let wanted = BooleanText.strict(locked) else {
                throw ComputeFault.badRequest(BooleanText.refusal(locked))
            }
            conditions.append(.locked(wanted))
        }
        for (name, value) in filters {
            if let condition = ServerFilter.condition(name, value) { conditions.append(condition) }
        }
        query = InstanceQuery(
            conditions: conditions, order: try ServerSorting.order(call),
            marker: try Self.marker(call), limit: limit)
    }

    // MARK: Paging

    private static func limit(_ call: ComputeCall) throws(ComputeFault) -> Int {
        let max = call.services.options.api.maxLimit
        guard let text = call.query.values("limit").last else { return max }
        guard let limit = Int(text), limit >= 0 else {
            throw .badRequest("Invalid input received: limit must be an integer")
        }
        return min(limit, max)
    }

    private static func marker(_ call: ComputeCall) throws(ComputeFault) -> InstanceID? {
        guard let text = call.query.values("marker").last else { return nil }
        guard let marker = InstanceID(text) else { throw .badRequest("marker [\(text)] not found") }
        return marker
    }

    // MARK: Filters

    /// Filters that anybody may use, with the versions since when.
    private static let openFilters: [(since: Int, names: Set<String>)] = [
        (1, ["reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants"]),
        (5, ["ip6"]),
        (26, ["tags", "tags-any", "not-tags", "not-tags-any"]),
        (66, ["changes-before"]),
        (73, ["locked"]),
        (
            83,
            [
                "availability_zone", "config_drive", "key_name", "created_at", "launched_at", "terminated_at",
                "power_state", "task_state", "vm_state", "progress", "user_id",
            ]
        ),
        (90, ["hostname"]),
    ]

    /// The filters that count, the last value of each: others that the caller may not use are dropped.
    private static func permitted(_ call: ComputeCall) -> [String: String] {
        var filters: [String: String] = [:]
        for (name, value) in call.query { filters[name] = value }
        if call.allows(ServerPolicy.allFilters) {
            for name in ["sort_key", "sort_dir", "limit", "marker"] { filters[name] = nil }
            return filters
        }
        let open = openFilters.filter { call.has($0.since) }.reduce(into: Set()) { $0.formUnion($1.names) }
        return filters.filter { open.contains($0.key) }
    }

    private static let internalFields: Set<String> = [
        "block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups",
        "pci_devices",
    ]

    private static func refuseInternal(_ filters: [String: String], _ call: ComputeCall) throws(ComputeFault) {
        for (name, _) in call.query where filters[name] != nil {
            if name.hasPrefix("_") || internalFields.contains(name) {
                throw .badRequest("Invalid filter field: \(name).")
            }
        }
    }

    /// Nil when no server can have what was asked for.
    private static func statusConditions(
        _ call: ComputeCall, _ filters: inout [String: String]
    ) throws(ComputeFault) -> [InstanceQuery.Condition]? {
        filters["status"] = nil
        let asked = call.query.values("status")
        guard !asked.isEmpty else { return [] }
        let (states, tasks) = ServerStatus.states(of: asked)
        guard !states.isEmpty else {
            if call.has(38) { throw .badRequest("Invalid status value") }
            return nil
        }
        // The status says more than the states do.
        filters["vm_state"] = nil
        if states == [.deleted] {
            guard call.context.isAdmin else {
                throw .forbidden("Only administrators may list deleted instances")
            }
            filters["deleted"] = "true"
        }
        return [.vmStates(states)] + (tasks.map { [.taskStates($0)] } ?? [])
    }

    private static func changeConditions(
        _ filters: inout [String: String]
    ) throws(ComputeFault) -> [InstanceQuery.Condition] {
        func moment(_ name: String) throws(ComputeFault) -> Timestamp? {
            guard let text = filters[name] else { return nil }
            guard let moment = Timestamp(iso8601: text) else { throw .badRequest("Invalid filter field: \(name).") }
            return moment
        }
        let since = try moment("changes-since")
        let before = try moment("changes-before")
        if let since, let before, before < since {
            throw .badRequest("The value of changes-since must be less than or equal to changes-before.")
        }
        return [since.map { .changedSince($0) }, before.map { .changedBefore($0) }].compactMap(\.self)
    }

    /// Deleted servers are listed when asked for, and among those that changed in some time.
    private static func addDeleted(
        _ filters: inout [String: String], to conditions: inout [InstanceQuery.Condition], _ call: ComputeCall
    ) throws(ComputeFault) {
        let isOfChanges = filters["changes-since"] != nil || filters["changes-before"] != nil
        filters["changes-since"] = nil
        filters["changes-before"] = nil
        if let asked = filters.removeValue(forKey: "deleted") {
            conditions.append(.deleted(BooleanText.strict(asked) ?? false))
        } else if !isOfChanges {
            conditions.append(.deleted(false))
        }
    }

    private static func tagConditions(
        _ filters: inout [String: String], _ call: ComputeCall
    ) -> [InstanceQuery.Condition] {
        guard call.has(26) else { return [] }
        func tags(_ name: String) -> [String]? {
            filters.removeValue(forKey: name).map { $0.split(separator: ",").map(String.init) }
        }
        return [
            tags("tags").map { .allTags($0) }, tags("tags-any").map { .anyTag($0) },
            tags("not-tags").map { .notAllTags($0) }, tags("not-tags-any").map { .notAnyTag($0) },
        ].compactMap(\.self)
    }

    /// The project whose servers are meant; nil for all projects.
    private static func projectCondition(
        _ filters: inout [String: String], _ call: ComputeCall, _ rule: PolicyRule
    ) throws -> InstanceQuery.Condition? {
        let asked = filters.removeValue(forKey: "all_tenants")
        let named = filters.removeValue(forKey: "project_id") ?? filters["tenant_id"]
        filters["tenant_id"] = nil
        if let asked {
            guard asked.isEmpty || BooleanText.strict(asked) != nil else {
                throw ComputeFault.badRequest(BooleanText.refusal(asked))
            }
            if asked.isEmpty || BooleanText.strict(asked) == true {
                try call.require(rule, PolicyTarget(call.context))
                return named.map { .project($0) }
            }
        }
        return call.context.projectID.map { .project($0) } ?? .user(call.context.userID)
    }
}

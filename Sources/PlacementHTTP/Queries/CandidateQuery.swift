import APIVersioning
import HTTPService
import Placement

/// Reads the query of `GET /allocation_candidates`, which its schema has already judged.
struct CandidateQuery {
    private let call: PlacementCall
    private var groups: [CandidateRequest.Group] = []

    static func request(_ call: PlacementCall) throws(PlacementFault) -> CandidateRequest {
        var query = CandidateQuery(call: call)
        return try query.read()
    }

    private init(call: PlacementCall) { self.call = call }

    private mutating func read() throws(PlacementFault) -> CandidateRequest {
        let parameters = call.request.query
        var request = CandidateRequest(groups: [])
        request.limit = parameters["limit"].map { Int($0) ?? Int.max }
        let policy = parameters["group_policy"]
        request.isolated = policy == "isolate"
        try readRoot(into: &request)
        request.sameSubtrees = try sameSubtrees()
        for (name, value) in parameters { try read(name, value) }
        try check(request)
        request.groups = groups
        request.treesAllowed = call.has(PlacementVersions.nestedCandidates)
        if policy == nil || policy == "", groups.count(where: { !$0.suffix.isEmpty }) > 1 {
            throw .badRequest(
                "The \"group_policy\" parameter is required when specifying more than one "
                    + "\"resources{N}\" parameter.")
        }
        return request
    }

    private func readRoot(into request: inout CandidateRequest) throws(PlacementFault) {
        let values = call.request.query.values("root_required")
        guard let value = values.first else { return }
        guard values.count == 1 else {
            throw .badRequest(
                "Query parameter 'root_required' may be specified only once.", code: ErrorCode.duplicateKey)
        }
        let traits = try QueryText.traits(value, forbiddenAllowed: true, anyAllowed: false)
        request.rootRequired = traits.required.flatMap { $0 }
        request.rootForbidden = traits.forbidden
        let both = Set(request.rootRequired).intersection(request.rootForbidden).sorted()
        guard both.isEmpty else {
            throw .badRequest(
                "Conflicting required and forbidden traits found in root_required: \(both.joined(separator: ", "))",
                code: ErrorCode.badValue)
        }
    }

    private func sameSubtrees() throws(PlacementFault) -> [[String]] {
        var subtrees: [[String]] = []
        for value in call.request.query.values("same_subtree") {
            let suffixes = value.split(separator: ",", omittingEmptySubsequences: false).map {
                String($0).trimmingSpaces
            }
            guard !suffixes.contains("") else {
                throw .badRequest(
                    "Empty string (unsuffixed group) can not be specified in `same_subtree` ", code: ErrorCode.badValue)
            }
            subtrees.append(suffixes)
        }
        return subtrees
    }

    // MARK: Groups

    private mutating func read(_ name: String, _ value: String) throws(PlacementFault) {
        for word in ["resources", "required", "member_of", "in_tree"] where name.hasPrefix(word) {
            let suffix = String(name.dropFirst(word.count))
            guard suffix.isEmpty || isSuffix(suffix) else { continue }
            let place = groups.firstIndex { $0.suffix == suffix } ?? groups.count
            if place == groups.count { groups.append(CandidateRequest.Group(suffix: suffix)) }
            switch word {
            case "resources": groups[place].resources = try QueryText.resources(value)
            case "required": try readTraits(name, into: place)
            case "member_of": try readAggregates(name, suffix, into: place)
            default:
                guard let uuid = UUIDText.normalized(value.trimmingSpaces) else {
                    throw .badRequest(
                        "Invalid query string parameters: Expected 'in_tree' parameter to be a format "
                            + "of uuid. Got: \(value)")
                }
                groups[place].inTree = uuid
            }
            return
        }
    }

    private func isSuffix(_ text: String) -> Bool {
        guard call.has(PlacementVersions.wordSuffixes) else {
            return text.allSatisfy { $0.isASCII && $0.isNumber } && text.first != "0"
        }
        return text.utf8.count <= 64
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-".contains($0)) }
    }

    private mutating func readTraits(_ name: String, into place: Int) throws(PlacementFault) {
        (groups[place].required, groups[place].forbidden) = try call.requiredTraits(name)
    }

    private mutating func readAggregates(_ name: String, _ suffix: String, into place: Int) throws(PlacementFault) {
        (groups[place].memberOf, groups[place].forbiddenAggregates) = try call.memberOf(name, suffix: suffix)
    }

    // MARK: Rules on the whole

    private func check(_ request: CandidateRequest) throws(PlacementFault) {
        if call.has(PlacementVersions.sameSubtree) {
            try checkSubtrees(request.sameSubtrees)
        } else {
            try checkOrphans()
        }
        guard call.has(PlacementVersions.forbiddenTraits) else { return }
        let conflicts = groups.flatMap { group in
            group.required.filter { $0.allSatisfy(group.forbidden.contains) }
                .map { "required\(group.suffix): (\($0.sorted().joined(separator: ", ")))" }
        }
        guard conflicts.isEmpty else {
            throw .badRequest(
                "Conflicting required and forbidden traits found in the following traits keys: "
                    + conflicts.sorted().joined(separator: ", "))
        }
    }

    private func checkSubtrees(_ subtrees: [[String]]) throws(PlacementFault) {
        func quoted(_ names: [String]) -> String { "[" + names.map { "'\($0)'" }.joined(separator: ", ") + "]" }
        let bare = groups.filter(\.resources.isEmpty).map(\.suffix)
        guard bare.count < groups.count else {
            throw .badRequest(
                "There must be at least one resources or resources[$S] parameter.", code: ErrorCode.missingValue)
        }
        let named = subtrees.flatMap { $0 }
        let loose = bare.filter { !named.contains($0) }
        guard loose.isEmpty else {
            throw .badRequest(
                "Resourceless suffixed group request should be specified in `same_subtree` query param: "
                    + "bad group(s) - \(quoted(loose)).", code: ErrorCode.badValue)
        }
        let suffixes = groups.map(\.suffix)
        let unknown = named.filter { !suffixes.contains($0) }
        guard unknown.isEmpty else {
            throw .badRequest(
                "Real suffixes should be specified in `same_subtree`: \(quoted(unknown)) not found in "
                    + "\(quoted(suffixes)).", code: ErrorCode.badValue)
        }
    }

    private func checkOrphans() throws(PlacementFault) {
        let bare = groups.filter(\.resources.isEmpty)
        let traits = bare.filter { !$0.required.isEmpty }.map { "required\($0.suffix)" }
        guard traits.isEmpty else {
            throw .badRequest(
                "All traits parameters must be associated with resources.  "
                    + "Found the following orphaned traits keys: \(traits.joined(separator: ", "))")
        }
        let members = bare.filter { !($0.memberOf.isEmpty && $0.forbiddenAggregates.isEmpty) }
            .map { "member_of\($0.suffix)" }
        guard members.isEmpty else {
            throw .badRequest(
                "All member_of parameters must be associated with resources. "
                    + "Found the following orphaned member_of keys: \(members.joined(separator: ", "))")
        }
        guard bare.isEmpty else { throw .badRequest("All request groups must specify resources.") }
        guard !groups.isEmpty else {
            throw .badRequest("At least one request group (`resources` or `resources{$S}`) is required.")
        }
    }
}

extension PlacementCall {
    /// The traits of all values of a `required…` parameter that count at this version.
    func requiredTraits(_ name: String) throws(PlacementFault) -> ([[String]], [String]) {
        var values = request.query.values(name)
        if !has(PlacementVersions.anyTraits) { values = Array(values.suffix(1)) }
        var required: [[String]] = []
        var forbidden: [String] = []
        for value in values {
            let traits = try QueryText.traits(
                value, forbiddenAllowed: has(PlacementVersions.forbiddenTraits),
                anyAllowed: has(PlacementVersions.anyTraits))
            required += traits.required
            forbidden += traits.forbidden
        }
        return (required, forbidden)
    }

    /// The aggregates of all values of a `member_of…` parameter.
    func memberOf(_ name: String, suffix: String) throws(PlacementFault) -> ([[String]], [String]) {
        let values = request.query.values(name)
        if values.count > 1, !has(PlacementVersions.repeatedMemberOf) {
            throw .badRequest("Multiple member_of\(suffix) parameters are not supported")
        }
        var required: [[String]] = []
        var forbidden: [String] = []
        for value in values {
            let aggregates = try QueryText.memberOf(value)
            if !aggregates.required.isEmpty { required.append(aggregates.required) }
            if !aggregates.forbidden.isEmpty {
                guard has(PlacementVersions.forbiddenAggregates) else {
                    throw .badRequest(
                        "Forbidden member_of\(suffix) parameters are not supported in the specified "
                            + "microversion")
                }
                forbidden += aggregates.forbidden
            }
        }
        return (required, forbidden)
    }
}

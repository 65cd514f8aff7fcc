/// All operations on one path.
package struct EndpointRoute<Action: Sendable>: Sendable {
    /// The path with its parameters in braces.
    package let path: String
    /// The operations in the table's order.
    package let endpoints: [Endpoint<Action>]
    /// The methods that some version has, sorted.
    package let methods: [String]
    /// True when the body's only member chooses among this method's operations.
    private let methodsWithActions: Set<String>
    private let byKey: [Key: [Endpoint<Action>]]

    private struct Key: Hashable {
        let method: String
        let action: String?
    }

    init(path: String, endpoints: [Endpoint<Action>]) {
        (self.path, self.endpoints) = (path, endpoints)
        methods = Set(endpoints.map(\.method)).sorted()
        methodsWithActions = Set(endpoints.filter { $0.action != nil }.map(\.method))
        byKey = Dictionary(grouping: endpoints) { Key(method: $0.method, action: $0.action) }
    }

    /// True when the operation is chosen by the body's only member.
    package func takesActions(_ method: String) -> Bool { methodsWithActions.contains(method) }

    /// The operation for a method, the action that the body names where the path takes actions, and a version.
    package func lookup(
        method: String, action: String? = nil, version: Microversion
    ) -> EndpointLookup<Action> {
        let key = Key(method: method, action: takesActions(method) ? action : nil)
        guard let candidates = byKey[key] else {
            guard methods.contains(method) else { return .methodNotAllowed(allowed: methods) }
            return .noSuchAction(action ?? "")
        }
        guard let endpoint = candidates.first(where: { $0.span.contains(version) }) else { return .notFound }
        return .found(endpoint)
    }
}

/// All operations of an API.
///
/// Construction refuses two operations that one request could mean: same method, path (whatever its parameters
/// are called) and action with overlapping spans.
package struct EndpointTable<Action: Sendable>: Sendable {
    /// The operations in the order given, for documents.
    package let endpoints: [Endpoint<Action>]
    /// One entry per path, in order of first appearance, to be put into a router.
    package let routes: [EndpointRoute<Action>]
    private let routesByPath: [String: EndpointRoute<Action>]

    /// Refuses overlapping operations and one path written with two sets of parameter names, naming both.
    package init(_ endpoints: [Endpoint<Action>]) throws(TableConflict) {
        self.endpoints = endpoints
        var paths: [String] = []
        var byPath: [String: [Endpoint<Action>]] = [:]
        var spellings: [String: String] = [:]
        for endpoint in endpoints {
            let shape = Self.shape(of: endpoint.path)
            if let spelling = spellings[shape], spelling != endpoint.path {
                throw TableConflict(description: "one path with two spellings: \(spelling) and \(endpoint.path)")
            }
            spellings[shape] = endpoint.path
            for other in byPath[endpoint.path] ?? [] where Self.collide(endpoint, other) {
                throw TableConflict(
                    description: "\(other.title), \(other.span), and \(endpoint.title), \(endpoint.span), overlap")
            }
            if byPath[endpoint.path] == nil { paths.append(endpoint.path) }
            byPath[endpoint.path, default: []].append(endpoint)
        }
        routes = paths.map { EndpointRoute(path: $0, endpoints: byPath[$0] ?? []) }
        routesByPath = Dictionary(uniqueKeysWithValues: routes.map { ($0.path, $0) })
    }

    /// The operation for a method and a path as it is written in the table.
    package func lookup(
        method: String, path: String, action: String? = nil, version: Microversion
    ) -> EndpointLookup<Action> {
        routesByPath[path]?.lookup(method: method, action: action, version: version) ?? .notFound
    }

    /// The operations that exist at a version, in the table's order.
    package func endpoints(at version: Microversion) -> [Endpoint<Action>] {
        endpoints.filter { $0.span.contains(version) }
    }

    private static func collide(_ a: Endpoint<Action>, _ b: Endpoint<Action>) -> Bool {
        a.method == b.method && (a.action == b.action || a.action == nil || b.action == nil)
            && a.span.overlaps(b.span)
    }

    /// The path with nameless parameters.
    private static func shape(of path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("{") ? "{}" : String($0) }
            .joined(separator: "/")
    }
}

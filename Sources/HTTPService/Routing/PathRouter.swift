/// Finds what a method and a path stand for. Patterns are paths with parameters: "/servers/{id}/action".
///
/// A literal segment beats a parameter. Where the more literal pattern does not know the method, the next fitting
/// pattern is asked, so that DELETE /flavors/{id} still answers for /flavors/detail. A parameter never matches an
/// empty segment.
///
///     var router = PathRouter<Endpoint>()
///     try router.register(.GET, "/servers/{id}", .show)
///     switch router.match(.GET, request.pathSegments) {
///     case .found(let endpoint, let parameters): …
///     case .methodNotAllowed(let allowed): …
///     case .notFound: …
///     }
package struct PathRouter<Endpoint: Sendable>: Sendable {
    private struct Route {
        let pattern: String
        let parameterNames: [String]
        let endpoint: Endpoint
    }

    private struct Node {
        var literals: [String: Int] = [:]
        var parameter: Int?
        /// In order of registration: few per path, so that a list beats a dictionary.
        var routes: [(method: HTTPMethod, route: Route)] = []
        var anyMethod: Route?
        var isEmpty: Bool { routes.isEmpty && anyMethod == nil }
    }

    /// The trie; nodes refer to each other by position. The root is the first.
    private var nodes = [Node()]

    /// Whether HEAD is answered by the endpoint for GET where there is none of its own.
    private let headIsGet: Bool

    /// A router without routes.
    package init(headIsGet: Bool = true) { self.headIsGet = headIsGet }

    /// Registers an endpoint for one method. Throws when the method has one on the same path already (whatever its
    /// parameters are called), or when the pattern is malformed.
    package mutating func register(
        _ method: HTTPMethod, _ pattern: String, _ endpoint: Endpoint
    ) throws(RouteError) {
        let (node, route) = try place(pattern, endpoint)
        if let other = nodes[node].routes.first(where: { $0.method == method }) {
            throw .conflict(method: method.rawValue, pattern: pattern, existing: other.route.pattern)
        }
        nodes[node].routes.append((method, route))
    }

    /// Registers an endpoint that takes every method not registered on the same path by itself.
    package mutating func register(anyMethod pattern: String, _ endpoint: Endpoint) throws(RouteError) {
        let (node, route) = try place(pattern, endpoint)
        if let other = nodes[node].anyMethod {
            throw .conflict(method: "any method", pattern: pattern, existing: other.pattern)
        }
        nodes[node].anyMethod = route
    }

    /// The endpoint for the method and path.
    package func match(_ method: HTTPMethod, _ segments: [String]) -> RouteMatch<Endpoint> {
        var allowed: [HTTPMethod] = []
        var found: Route?
        var values: [String] = []
        _ = walk(from: 0, segments[...], &values) { node in
            found = node.routes.first { $0.method == method }?.route ?? node.anyMethod
            if found == nil, headIsGet, method == .HEAD {
                found = node.routes.first { $0.method == .GET }?.route
            }
            if found == nil {
                allowed += node.routes.map(\.method).filter { !allowed.contains($0) }
            }
            return found != nil
        }
        if let found {
            return .found(found.endpoint, RouteParameters(names: found.parameterNames, values: values))
        }
        return allowed.isEmpty ? .notFound : .methodNotAllowed(allowed)
    }

    /// What is registered on the most literal fitting path, whatever the method: for APIs that decide about methods
    /// themselves. Nil when no pattern fits.
    package func lookup(_ segments: [String]) -> RouteEntry<Endpoint>? {
        var found: Node?
        var values: [String] = []
        _ = walk(from: 0, segments[...], &values) { node in
            found = node
            return true
        }
        guard let found, let first = found.anyMethod ?? found.routes.first?.route else { return nil }
        return RouteEntry(
            pattern: first.pattern,
            endpoints: found.routes.map { ($0.method, $0.route.endpoint) },
            anyMethod: found.anyMethod?.endpoint,
            parameters: RouteParameters(names: first.parameterNames, values: values))
    }

    private mutating func place(_ pattern: String, _ endpoint: Endpoint) throws(RouteError) -> (Int, Route) {
        guard pattern.hasPrefix("/") else { throw .malformed(pattern: pattern, reason: "does not begin with a slash") }
        var names: [String] = []
        var node = 0
        for segment in pattern.split(separator: "/") {
            let next: Int
            if segment.hasPrefix("{"), segment.hasSuffix("}"), segment.count > 2 {
                let name = String(segment.dropFirst().dropLast())
                if names.contains(name) { throw .malformed(pattern: pattern, reason: "names {\(name)} twice") }
                names.append(name)
                next = nodes[node].parameter ?? nodes.count
                nodes[node].parameter = next
            } else if segment.contains("{") || segment.contains("}") {
                throw .malformed(pattern: pattern, reason: "mixes text and parameter in one segment")
            } else {
                next = nodes[node].literals[String(segment)] ?? nodes.count
                nodes[node].literals[String(segment)] = next
            }
            if next == nodes.count { nodes.append(Node()) }
            node = next
        }
        return (node, Route(pattern: pattern, parameterNames: names, endpoint: endpoint))
    }

    /// Visits the fitting nodes that have routes, the most literal first, until `visit` says true; the parameters'
    /// values of the node being visited are in `values`.
    private func walk(
        from node: Int, _ segments: ArraySlice<String>, _ values: inout [String], _ visit: (Node) -> Bool
    ) -> Bool {
        guard let segment = segments.first else { return !nodes[node].isEmpty && visit(nodes[node]) }
        if let next = nodes[node].literals[segment], walk(from: next, segments.dropFirst(), &values, visit) {
            return true
        }
        guard let next = nodes[node].parameter, !segment.isEmpty else { return false }
        values.append(segment)
        if walk(from: next, segments.dropFirst(), &values, visit) { return true }
        values.removeLast()
        return false
    }
}

/// The outcome of `PathRouter.match`.
package enum RouteMatch<Endpoint: Sendable>: Sendable {
    /// The endpoint and the values of its pattern's parameters.
    case found(Endpoint, RouteParameters)
    /// The path exists, with these methods; for `Allow`.
    case methodNotAllowed([HTTPMethod])
    /// No pattern fits.
    case notFound
}

/// All that is registered on one path.
package struct RouteEntry<Endpoint: Sendable>: Sendable {
    /// A pattern of the path, as it was registered.
    package let pattern: String
    /// The endpoints by method, in the order of their registration.
    package let endpoints: [(method: HTTPMethod, endpoint: Endpoint)]
    /// The endpoint for every other method.
    package let anyMethod: Endpoint?
    /// The parameters, under the names that `pattern` uses.
    package let parameters: RouteParameters
}

/// The parameters of a matched pattern.
package struct RouteParameters: Sendable, Hashable {
    private let names: [String]
    private let values: [String]

    /// Parameters from names and as many values.
    package init(names: [String] = [], values: [String] = []) { (self.names, self.values) = (names, values) }

    /// The value of the parameter of that name; nil when the pattern has none.
    package subscript(name: String) -> String? { names.firstIndex(of: name).map { values[$0] } }
}

/// Why a pattern cannot be registered.
package enum RouteError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Two patterns stand for the same method and paths.
    case conflict(method: String, pattern: String, existing: String)
    /// The pattern is no pattern.
    case malformed(pattern: String, reason: String)

    package var description: String {
        switch self {
        case .conflict(let method, let pattern, let existing):
            "The route \(method) \(pattern) conflicts with \(method) \(existing), which is registered already."
        case .malformed(let pattern, let reason): "The route pattern \(pattern) \(reason)."
        }
    }
}

package import ComputeModel
import NIOHTTP1
package import WireJSON

/// The network service, version 2.0.
package struct NetworkClient: Sendable {
    private let peer: AuthorizedPeer

    /// - Parameter peer: without the version: `http://host/network`.
    package init(_ peer: AuthorizedPeer) { self.peer = peer }

    /// Networks that match all filters, as the caller may see them.
    package func networks(_ filters: [(String, String)] = [], token: String? = nil) async throws(PeerError)
        -> [Network]
    {
        try await list("networks", filters, token: token) { Network($0) }
    }

    /// Subnets that match all filters.
    package func subnets(_ filters: [(String, String)] = [], token: String? = nil) async throws(PeerError) -> [Subnet] {
        try await list("subnets", filters, token: token) { Subnet($0) }
    }

    /// Ports that match all filters.
    package func ports(_ filters: [(String, String)] = [], token: String? = nil) async throws(PeerError) -> [Port] {
        try await list("ports", filters, token: token) { Port($0) }
    }

    /// Groups that match all filters, with their rules.
    package func securityGroups(_ filters: [(String, String)] = [], token: String? = nil) async throws(PeerError)
        -> [SecurityGroup]
    {
        try await list("security-groups", filters, token: token) { SecurityGroup($0) }
    }

    /// Routers that match all filters.
    package func routers(_ filters: [(String, String)] = [], token: String? = nil) async throws(PeerError) -> [Router] {
        try await list("routers", filters, token: token) { Router($0) }
    }

    /// Floating addresses that match all filters.
    package func floatingIPs(_ filters: [(String, String)] = [], token: String? = nil) async throws(PeerError)
        -> [FloatingIP]
    {
        try await list("floatingips", filters, token: token) { FloatingIP($0) }
    }

    /// One port.
    package func port(_ id: PortID, token: String? = nil) async throws(PeerError) -> Port {
        let answer = try await peer.json(.GET, "/v2.0/ports/\(id)", token: token)
        return try read(answer["port"], "port \(id)") { Port($0) }
    }

    /// Creates a port; `attributes` are Neutron's.
    package func createPort(_ attributes: JSONObject, token: String? = nil) async throws(PeerError) -> Port {
        let answer = try await peer.json(.POST, "/v2.0/ports", token: token, body: ["port": .object(attributes)])
        return try read(answer["port"], "a new port") { Port($0) }
    }

    /// Changes a port; `attributes` are Neutron's.
    package func updatePort(_ id: PortID, _ attributes: JSONObject, token: String? = nil) async throws(PeerError)
        -> Port
    {
        let answer = try await peer.json(.PUT, "/v2.0/ports/\(id)", token: token, body: ["port": .object(attributes)])
        return try read(answer["port"], "port \(id)") { Port($0) }
    }

    /// Deletes a port; succeeds when there is none.
    package func deletePort(_ id: PortID) async throws(PeerError) {
        do {
            _ = try await peer.json(.DELETE, "/v2.0/ports/\(id)")
        } catch .notFound {
            return
        }
    }

    /// The network that the service makes for a project that has none.
    package func autoAllocatedNetwork(project: String) async throws(PeerError) -> NetworkID {
        let answer = try await peer.json(.GET, "/v2.0/auto-allocated-topology/\(PeerHTTP.escaped(project))")
        return try read(answer["auto_allocated_topology"], "the topology of project \(project)") {
            $0["id"]?.string.flatMap { NetworkID($0) }
        }
    }

    private func list<Value>(
        _ collection: String, _ filters: [(String, String)], token: String?, _ read: (JSONValue) -> Value?
    ) async throws(PeerError) -> [Value] {
        let query = filters.map { "\($0.0)=\(PeerHTTP.escaped($0.1))" }.joined(separator: "&")
        let path = "/v2.0/\(collection)" + (query.isEmpty ? "" : "?\(query)")
        let answer = try await peer.json(.GET, path, token: token)
        let key = collection.map { $0 == "-" ? "_" : String($0) }.joined()
        guard let items = answer[key]?.array else {
            throw .malformed(service: "network", reason: "the list of \(collection) has no member '\(key)'")
        }
        return items.compactMap(read)
    }

    private func read<Value>(_ json: JSONValue?, _ what: String, _ read: (JSONValue) -> Value?) throws(PeerError)
        -> Value
    {
        guard let json, let value = read(json) else {
            throw .malformed(service: "network", reason: "\(what) lacks a required member")
        }
        return value
    }
}

import ComputeModel
import PeerClients
import WireJSON

/// What conductors need of the network service. Filters are pairs of attribute and value, as in its API.
protocol NetworkPorts: Sendable {
    func networks(_ filters: [(String, String)]) async throws(PeerError) -> [Network]
    func subnets(_ filters: [(String, String)]) async throws(PeerError) -> [Subnet]
    func ports(_ filters: [(String, String)]) async throws(PeerError) -> [Port]
    func securityGroups(_ filters: [(String, String)]) async throws(PeerError) -> [SecurityGroup]
    func floatingIPs(_ filters: [(String, String)]) async throws(PeerError) -> [FloatingIP]
    func createPort(_ attributes: JSONObject) async throws(PeerError) -> Port
    func updatePort(_ id: PortID, _ attributes: JSONObject) async throws(PeerError) -> Port
    func deletePort(_ id: PortID) async throws(PeerError)
    func autoAllocatedNetwork(project: String) async throws(PeerError) -> NetworkID
}

/// The network service itself, asked under the service's own token.
struct ServicePorts: NetworkPorts {
    let client: NetworkClient

    func networks(_ filters: [(String, String)]) async throws(PeerError) -> [Network] {
        try await client.networks(filters)
    }
    func subnets(_ filters: [(String, String)]) async throws(PeerError) -> [Subnet] {
        try await client.subnets(filters)
    }
    func ports(_ filters: [(String, String)]) async throws(PeerError) -> [Port] {
        try await client.ports(filters)
    }
    func securityGroups(_ filters: [(String, String)]) async throws(PeerError) -> [SecurityGroup] {
        try await client.securityGroups(filters)
    }
    func floatingIPs(_ filters: [(String, String)]) async throws(PeerError) -> [FloatingIP] {
        try await client.floatingIPs(filters)
    }
    func createPort(_ attributes: JSONObject) async throws(PeerError) -> Port {
        try await client.createPort(attributes)
    }
    func updatePort(_ id: PortID, _ attributes: JSONObject) async throws(PeerError) -> Port {
        try await client.updatePort(id, attributes)
    }
    func deletePort(_ id: PortID) async throws(PeerError) { try await client.deletePort(id) }
    func autoAllocatedNetwork(project: String) async throws(PeerError) -> NetworkID {
        try await client.autoAllocatedNetwork(project: project)
    }
}

import ComputeModel
import WireJSON

@testable import Conductor
@testable import PeerClients

/// A network service with one network, in memory.
actor FakeNetwork: NetworkPorts {
    static let project = "p"
    let network = NetworkID.random()
    let subnet = SubnetID.random()
    let group = SecurityGroupID.random()
    private var ports: [PortID: JSONObject] = [:]
    private var physicalNetwork: String?
    private var badHost: String?
    private var lastAddress = 1
    private var refusals: [PeerError] = []
    private var isHeld = false
    private var held: [CheckedContinuation<Void, Never>] = []

    /// The next creations of ports fail so.
    func refuse(_ errors: PeerError...) { refusals += errors }

    /// Creations of ports wait from now on.
    func hold() { isHeld = true }

    func letGo() {
        isHeld = false
        for waiter in held { waiter.resume() }
        held = []
    }

    var holds: Int { held.count }

    /// A port of the user's own.
    func makePort() -> PortID { store(["network_id": .string(network.description)]) }

    func devices(_ id: InstanceID) -> [PortID] {
        ports.filter { $0.value["device_id"]?.string == id.description }.map(\.key).sorted()
    }

    func owner(of id: PortID) -> String? { ports[id]?["device_id"]?.string }
    func host(of id: PortID) -> String? { ports[id]?["binding:host_id"]?.string }
    func profile(of id: PortID) -> JSONObject { ports[id]?["binding:profile"]?.object ?? [:] }
    func profiles(_ id: InstanceID) -> [JSONObject] { devices(id).map(profile) }

    /// Ports that are bound on that host fail.
    func refuseBinding(on host: String) { badHost = host }

    /// Administrators say on which physical network the network is.
    func lie(on physical: String) { physicalNetwork = physical }

    func rename(_ id: PortID, address: String) {
        ports[id]?.set("fixed_ips", [["subnet_id": .string(subnet.description), "ip_address": .string(address)]])
    }

    private func store(_ attributes: JSONObject) -> PortID {
        let id = PortID.random()
        var port = attributes
        lastAddress += 1
        port.set("id", .string(id.description))
        port.set("mac_address", .string("fa:16:3e:00:00:\(10 + lastAddress % 80)"))
        if attributes["device_id"] == nil { port.set("device_id", "") }
        if attributes["security_groups"] == nil { port.set("security_groups", [.string(group.description)]) }
        let address = attributes["fixed_ips"]?.array?.first?["ip_address"]?.string
            ?? "10.0.\(lastAddress / 250).\(lastAddress % 250 + 1)"
        port.set("fixed_ips", [["subnet_id": .string(subnet.description), "ip_address": .string(address)]])
        ports[id] = port
        return id
    }

    private static func matches(_ item: JSONObject, _ filters: [(String, String)]) -> Bool {
        let wanted = Dictionary(grouping: filters.filter { $0.0 != "router:external" }) { $0.0 }
        return wanted.allSatisfy { key, values in values.contains { $0.1 == item[key]?.string } }
    }

    func networks(_ filters: [(String, String)]) async throws(PeerError) -> [Network] {
        var item: JSONObject = ["id": .string(network.description), "name": "net", "project_id": .string(Self.project)]
        if let physicalNetwork { item.set("provider:physical_network", .string(physicalNetwork)) }
        return Self.matches(item, filters) ? [Network(.object(item))].compactMap { $0 } : []
    }

    func subnets(_ filters: [(String, String)]) async throws(PeerError) -> [Subnet] {
        let item: JSONObject = [
            "id": .string(subnet.description), "network_id": .string(network.description), "cidr": "10.0.0.0/16",
        ]
        return Self.matches(item, filters) ? [Subnet(.object(item))].compactMap { $0 } : []
    }

    func ports(_ filters: [(String, String)]) async throws(PeerError) -> [Port] {
        ports.values.filter { Self.matches($0, filters) }.compactMap { Port(.object($0)) }.sorted { $0.id < $1.id }
    }

    func securityGroups(_ filters: [(String, String)]) async throws(PeerError) -> [SecurityGroup] {
        let item: JSONObject = [
            "id": .string(group.description), "name": "default", "project_id": .string(Self.project),
        ]
        return Self.matches(item, filters) ? [SecurityGroup(.object(item))].compactMap { $0 } : []
    }

    func floatingIPs(_ filters: [(String, String)]) async throws(PeerError) -> [FloatingIP] { [] }

    func createPort(_ attributes: JSONObject) async throws(PeerError) -> Port {
        if isHeld { await withCheckedContinuation { held.append($0) } }
        if !refusals.isEmpty { throw refusals.removeFirst() }
        return try read(store(attributes))
    }

    func updatePort(_ id: PortID, _ attributes: JSONObject) async throws(PeerError) -> Port {
        guard var port = ports[id] else { throw .notFound(service: "network", message: "no port \(id)") }
        for (key, value) in attributes.members { port.set(key, value) }
        ports[id] = port
        return try read(id)
    }

    private func read(_ id: PortID) throws(PeerError) -> Port {
        guard var json = ports[id] else { throw .malformed(service: "network", reason: "no port \(id)") }
        if let badHost, json["binding:host_id"]?.string == badHost { json.set("binding:vif_type", "binding_failed") }
        guard let port = Port(.object(json)) else {
            throw .malformed(service: "network", reason: "port \(id)")
        }
        return port
    }

    func deletePort(_ id: PortID) async throws(PeerError) { ports[id] = nil }

    func autoAllocatedNetwork(project: String) async throws(PeerError) -> NetworkID { network }
}

import ComputeModel
import DriverAPI
import PeerClients
import ServiceInterfaces
import WireJSON

/// How a server is connected, and what its row says of it.
struct Wiring: Sendable {
    var interfaces: [NetworkInterfaceSpec]
    /// Ports that the user made; they outlive the server.
    var given: Set<PortID>
    var securityGroupNames: [String]
    /// Floating addresses by port.
    var floating: [PortID: [FloatingIP]]
}

/// Where a server's ports are bound.
struct PortPlace: Sendable {
    var host: String
    var availabilityZone: String
    /// What the host's driver can serve.
    var bindings: [PortBinding.Kind]
}

/// Makes, binds and gives back the ports of servers at the network service.
struct PortWiring: Sendable {
    let network: NetworkClient

    /// Connects a server as was asked. Repeating it finds the ports made before. If it throws, ports made by it are
    /// gone and given ports are unbound.
    func connect(
        _ instance: InstanceID, project: String, request: BuildInstanceRequest, at place: PortPlace
    ) async throws -> Wiring {
        let wanted = try await interfaces(request.networks, project: project)
        guard !wanted.isEmpty else {
            return Wiring(interfaces: [], given: [], securityGroupNames: [], floating: [:])
        }
        let groups = try await groups(request.securityGroups, project: project)
        var known = try await network.ports([("device_id", instance.description)])
        let given = Set(wanted.compactMap(\.port))
        return try await withRollback { rollback in
            rollback.onFailure { try? await disconnect(instance, given: given) }
            var ports: [(Port, RequestedInterface)] = []
            for item in wanted {
                if let port = item.port {
                    ports.append((try await bind(port, to: instance, at: place), item))
                } else if let index = known.firstIndex(where: { $0.networkID == item.network && !given.contains($0.id) }) {
                    let port = known.remove(at: index)
                    ports.append((try await bind(port.id, to: instance, at: place), item))
                } else {
                    let port = try await create(item, for: instance, project: project, groups: groups, at: place)
                    ports.append((port, item))
                }
            }
            return try await describe(ports, given: given, at: place)
        }
    }

    /// Deletes the ports that were made for a server and unbinds those that were given. Repeating it succeeds.
    func disconnect(_ instance: InstanceID, given: Set<PortID>) async throws(PeerError) {
        for port in try await network.ports([("device_id", instance.description)]) {
            if given.contains(port.id) {
                let free: JSONObject = ["device_id": "", "device_owner": "", "binding:host_id": ""]
                do {
                    _ = try await network.updatePort(port.id, free)
                } catch .notFound {
                    continue
                }
            } else {
                try await network.deletePort(port.id)
            }
        }
    }

    /// What the network service says now of a server's ports.
    func current(_ instance: InstanceID, given: Set<PortID>, known: [NetworkInterfaceSpec]) async throws -> Wiring {
        let found = try await network.ports([("device_id", instance.description)])
        let byID = Dictionary(found.map { ($0.id, $0) }) { first, _ in first }
        var interfaces: [NetworkInterfaceSpec] = []
        var subnets: [NetworkID: [SubnetID: Subnet]] = [:]
        for var interface in known {
            guard let port = byID[interface.portID] else { continue }
            if subnets[port.networkID] == nil { subnets[port.networkID] = try await self.subnets(of: port.networkID) }
            interface.addresses = Self.addresses(of: port, subnets[port.networkID] ?? [:])
            interfaces.append(interface)
        }
        return Wiring(
            interfaces: interfaces, given: given, securityGroupNames: try await groupNames(found),
            floating: try await floating(found.map(\.id)))
    }

    // MARK: - What is wanted

    private func interfaces(_ request: NetworkRequest, project: String) async throws -> [RequestedInterface] {
        switch request {
        case .none: return []
        case .list(let interfaces): return interfaces
        case .auto:
            let networks = try await network.networks([("router:external", "False")])
                .filter { $0.projectID == project || $0.isShared }
            switch networks.count {
            case 0: return [RequestedInterface(network: try await network.autoAllocatedNetwork(project: project))]
            case 1: return [RequestedInterface(network: networks[0].id)]
            default:
                throw BuildFailure(
                    .giveUp, "Multiple possible networks found, use a Network ID to be more specific.")
            }
        }
    }

    private func groups(_ names: [String], project: String) async throws -> [SecurityGroup] {
        let all = try await network.securityGroups([("project_id", project)])
        let wanted = names.isEmpty ? ["default"] : names
        return try wanted.map { name in
            let found = all.filter { $0.id.description == name || $0.name == name }
            switch found.count {
            case 1: return found[0]
            case 0: throw BuildFailure(.giveUp, "Security group \(name) not found.")
            default:
                throw BuildFailure(
                    .giveUp,
                    "Multiple security groups found matching '\(name)'. Use an ID to be more specific.")
            }
        }
    }

    // MARK: - Ports

    private func create(
        _ item: RequestedInterface, for instance: InstanceID, project: String, groups: [SecurityGroup],
        at place: PortPlace
    ) async throws -> Port {
        guard let networkID = item.network else {
            throw BuildFailure(.giveUp, "An interface was asked for with neither a network nor a port.")
        }
        var attributes: JSONObject = [
            "network_id": .string(networkID.description), "device_id": .string(instance.description),
            "device_owner": .string("compute:\(place.availabilityZone)"), "project_id": .string(project),
            "binding:host_id": .string(place.host), "admin_state_up": true,
        ]
        let target = try await network.networks([("id", networkID.description)]).first
        if target?.portSecurity ?? true {
            attributes.set("security_groups", JSONValue(groups.map(\.id.description)))
        }
        if let address = item.fixedAddress {
            attributes.set("fixed_ips", [["ip_address": .string(address)]])
        }
        return try await network.createPort(attributes)
    }

    private func bind(_ port: PortID, to instance: InstanceID, at place: PortPlace) async throws -> Port {
        try await network.updatePort(
            port,
            [
                "device_id": .string(instance.description),
                "device_owner": .string("compute:\(place.availabilityZone)"),
                "binding:host_id": .string(place.host),
            ])
    }

    // MARK: - Descriptions

    private func describe(_ ports: [(Port, RequestedInterface)], given: Set<PortID>, at place: PortPlace) async throws
        -> Wiring
    {
        var networks: [NetworkID: Network] = [:]
        var subnets: [NetworkID: [SubnetID: Subnet]] = [:]
        var interfaces: [NetworkInterfaceSpec] = []
        for (port, item) in ports {
            if networks[port.networkID] == nil {
                networks[port.networkID] = try await network.networks([("id", port.networkID.description)]).first
                subnets[port.networkID] = try await self.subnets(of: port.networkID)
            }
            let home = networks[port.networkID]
            interfaces.append(
                NetworkInterfaceSpec(
                    portID: port.id, networkID: port.networkID, networkName: home?.name ?? port.networkID.description,
                    macAddress: port.macAddress, mtu: home?.mtu ?? 1500, binding: Self.binding(port, place),
                    addresses: Self.addresses(of: port, subnets[port.networkID] ?? [:]), tag: item.tag))
        }
        return Wiring(
            interfaces: interfaces, given: given, securityGroupNames: try await groupNames(ports.map(\.0)),
            floating: given.isEmpty ? [:] : try await floating(ports.map(\.0.id)))
    }

    private static func binding(_ port: Port, _ place: PortPlace) -> PortBinding {
        guard place.bindings.contains(.bridge) else { return .unbound }
        let bridge = port.bindingDetails["bridge_name"] ?? "brq\(port.networkID.description.prefix(11))"
        return .bridge(bridge: bridge, tap: "tap\(port.id.description.prefix(11))")
    }

    private func subnets(of id: NetworkID) async throws -> [SubnetID: Subnet] {
        let found = try await network.subnets([("network_id", id.description)])
        return Dictionary(found.map { ($0.id, $0) }) { first, _ in first }
    }

    private static func addresses(of port: Port, _ subnets: [SubnetID: Subnet]) -> [FixedAddress] {
        port.addresses.compactMap { address in
            guard let subnet = subnets[address.subnetID] else { return nil }
            return FixedAddress(
                address: address.address, subnetID: subnet.id, cidr: subnet.cidr, gateway: subnet.gateway,
                nameServers: subnet.nameServers, routes: subnet.routes, dhcp: subnet.dhcp)
        }
    }

    private func groupNames(_ ports: [Port]) async throws -> [String] {
        let ids = Set(ports.flatMap(\.securityGroups))
        guard !ids.isEmpty else { return [] }
        let found = try await network.securityGroups(ids.sorted().map { ("id", $0.description) })
        return Set(found.map(\.name)).sorted()
    }

    private func floating(_ ports: [PortID]) async throws -> [PortID: [FloatingIP]] {
        guard !ports.isEmpty else { return [:] }
        let found = try await network.floatingIPs(ports.map { ("port_id", $0.description) })
        var byPort: [PortID: [FloatingIP]] = [:]
        for address in found {
            if let port = address.portID { byPort[port, default: []].append(address) }
        }
        return byPort
    }
}

extension Wiring {
    /// The API's `addresses` object.
    var addressesJSON: String {
        var order: [String] = []
        var byNetwork: [String: [JSONValue]] = [:]
        for interface in interfaces {
            if byNetwork[interface.networkName] == nil {
                order.append(interface.networkName)
                byNetwork[interface.networkName] = []
            }
            func add(_ address: String, _ kind: String) {
                byNetwork[interface.networkName]?.append([
                    "version": address.contains(":") ? 6 : 4, "addr": .string(address),
                    "OS-EXT-IPS:type": .string(kind), "OS-EXT-IPS-MAC:mac_addr": .string(interface.macAddress),
                ])
            }
            for address in interface.addresses { add(address.address, "fixed") }
            for address in floating[interface.portID] ?? [] { add(address.address, "floating") }
        }
        return JSONValue.object(JSONObject(order.map { ($0, .array(byNetwork[$0] ?? [])) })).text
    }

    /// The API's `security_groups` array: a name for each port's group, as Nova lists them.
    var securityGroupsJSON: String {
        JSONValue.array(securityGroupNames.map { ["name": .string($0)] }).text
    }
}

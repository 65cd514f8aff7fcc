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

    /// What the network service is told of ports that join no bridge of the host; `nil` for those that do.
    var wiring: String? {
        let kind = bindings.first ?? .unbound
        return kind == .bridge ? nil : kind.rawValue
    }
}

/// What is known at the network service before a server is connected.
private struct WiringFacts: Sendable {
    var wanted: [RequestedInterface]
    /// For ports that are created.
    var groups: [SecurityGroup]
    var networks: [NetworkID: Network]
    var subnets: [NetworkID: [SubnetID: Subnet]]
    /// Ports of the server that are there already.
    var existing: [Port]
}

/// Makes, binds and gives back the ports of servers at the network service.
struct PortWiring: Sendable {
    let network: any NetworkPorts

    /// Ports in the request that the user made, with their networks as far as the request names them.
    static func given(_ request: BuildInstanceRequest) -> [PortID: NetworkID?] {
        guard case .list(let interfaces) = request.networks else { return [:] }
        let pairs = interfaces.compactMap { item in item.port.map { ($0, item.network) } }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Connects a server as was asked. Repeating it finds the ports made before. If it throws, ports made by it are
    /// gone and given ports are unbound.
    ///
    /// - Parameter known: the interfaces of an earlier run, whose order is kept.
    func connect(
        _ instance: InstanceID, project: String, request: BuildInstanceRequest, at place: PortPlace,
        known: [NetworkInterfaceSpec] = []
    ) async throws -> Wiring {
        var facts = try await self.facts(instance, project, request)
        guard !facts.wanted.isEmpty else {
            return Wiring(interfaces: [], given: [], securityGroupNames: [], floating: [:])
        }
        let given = Set(facts.wanted.compactMap(\.port))
        let order = Dictionary(known.enumerated().map { ($1.portID, $0) }) { first, _ in first }
        var free = facts.existing.filter { !given.contains($0.id) }
            .sorted { (order[$0.id] ?? .max, $0.id) < (order[$1.id] ?? .max, $1.id) }
        let found = facts
        return try await withRollback { rollback in
            rollback.onFailure { try? await disconnect(instance, given: given) }
            var ports: [(Port, RequestedInterface)] = []
            for item in found.wanted {
                if let id = item.port {
                    let known = found.existing.first { $0.id == id }
                    let port = if let known { known } else { try await freePort(id) }
                    ports.append((try await bind(port, to: instance, at: place), item))
                } else if let index = free.firstIndex(where: { Self.fits($0, item) }) {
                    ports.append((try await bind(free.remove(at: index), to: instance, at: place), item))
                } else {
                    let port = try await create(item, for: instance, project: project, found, at: place)
                    ports.append((port, item))
                }
            }
            if let failed = ports.first(where: { $0.0.bindingKind == "binding_failed" })?.0 {
                throw BuildFailure(
                    .reschedule,
                    "Binding failed for port \(failed.id), please check neutron logs for more information.")
            }
            try await learn(&facts, about: ports.map(\.0))
            return try await describe(ports, given: given, facts, at: place)
        }
    }

    /// Deletes the ports that were made for a server and unbinds those that were given. Repeating it succeeds.
    func disconnect(_ instance: InstanceID, given: Set<PortID>) async throws(PeerError) {
        for port in try await network.ports([("device_id", instance.description)]) {
            if given.contains(port.id) {
                var free: JSONObject = ["device_id": "", "device_owner": "", "binding:host_id": ""]
                if let profile = Self.profile(of: port, as: nil) { free.set("binding:profile", .object(profile)) }
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
        let subnets = try await self.subnets(of: Set(found.map(\.networkID)))
        let interfaces = known.compactMap { interface -> NetworkInterfaceSpec? in
            guard let port = byID[interface.portID] else { return nil }
            var current = interface
            current.addresses = Self.addresses(of: port, subnets[port.networkID] ?? [:])
            return current
        }
        return Wiring(
            interfaces: interfaces, given: given, securityGroupNames: try await groupNames(found),
            floating: try await floating(found.map(\.id)))
    }

    // MARK: - What is wanted

    /// Independent questions are asked at the same time: a build waits for each round trip.
    private func facts(
        _ instance: InstanceID, _ project: String, _ request: BuildInstanceRequest
    ) async throws -> WiringFacts {
        if case .none = request.networks {
            return WiringFacts(wanted: [], groups: [], networks: [:], subnets: [:], existing: [])
        }
        async let existing = network.ports([("device_id", instance.description)])
        async let groups = self.groups(request.securityGroups, project: project)
        let (wanted, networks) = try await interfaces(request.networks, project: project)
        async let subnets = self.subnets(of: Set(networks.keys))
        let creates = wanted.contains { $0.port == nil }
        let chosen: [SecurityGroup]
        do {
            chosen = try await groups
        } catch where !creates {
            // Given ports keep the groups they have.
            chosen = []
        }
        return try await WiringFacts(
            wanted: wanted, groups: chosen, networks: networks, subnets: subnets, existing: existing)
    }

    private func interfaces(
        _ request: NetworkRequest, project: String
    ) async throws -> ([RequestedInterface], [NetworkID: Network]) {
        switch request {
        case .none: return ([], [:])
        case .list(let interfaces):
            let named = Set(interfaces.compactMap(\.network)).sorted()
            let found = named.isEmpty ? [] : try await network.networks(named.map { ("id", $0.description) })
            return (interfaces, Dictionary(found.map { ($0.id, $0) }) { first, _ in first })
        case .auto:
            let networks = try await network.networks([("router:external", "False")])
                .filter { $0.projectID == project || $0.isShared }
            switch networks.count {
            case 0:
                let made = try await network.autoAllocatedNetwork(project: project)
                return ([RequestedInterface(network: made)], [:])
            case 1: return ([RequestedInterface(network: networks[0].id)], [networks[0].id: networks[0]])
            default:
                throw BuildFailure(
                    .giveUp, "Multiple possible networks found, use a Network ID to be more specific.")
            }
        }
    }

    /// Completes the facts with what given ports and networks made for the occasion bring.
    private func learn(_ facts: inout WiringFacts, about ports: [Port]) async throws {
        let missing = Set(ports.map(\.networkID)).subtracting(facts.networks.keys)
        if !missing.isEmpty {
            for found in try await network.networks(missing.sorted().map { ("id", $0.description) }) {
                facts.networks[found.id] = found
            }
            facts.subnets.merge(try await subnets(of: missing)) { $1 }
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

    /// Whether a port that an earlier run made is the one for this interface.
    private static func fits(_ port: Port, _ item: RequestedInterface) -> Bool {
        guard port.networkID == item.network else { return false }
        return item.fixedAddress.map { address in port.addresses.contains { $0.address == address } } ?? true
    }

    private func freePort(_ id: PortID) async throws -> Port {
        guard let port = try await network.ports([("id", id.description)]).first else {
            throw BuildFailure(.giveUp, "Port \(id) could not be found.")
        }
        if !port.deviceID.isEmpty { throw BuildFailure(.giveUp, "Port \(id) is still in use.") }
        return port
    }

    private func create(
        _ item: RequestedInterface, for instance: InstanceID, project: String, _ facts: WiringFacts,
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
        if let wiring = place.wiring { attributes.set("binding:profile", [Self.wiringKey: .string(wiring)]) }
        if facts.networks[networkID]?.portSecurity ?? true {
            attributes.set("security_groups", JSONValue(facts.groups.map(\.id.description)))
        }
        if let address = item.fixedAddress {
            attributes.set("fixed_ips", [["ip_address": .string(address)]])
        }
        return try await network.createPort(attributes)
    }

    private func bind(_ port: Port, to instance: InstanceID, at place: PortPlace) async throws -> Port {
        var attributes: JSONObject = [
            "device_id": .string(instance.description), "device_owner": .string("compute:\(place.availabilityZone)"),
            "binding:host_id": .string(place.host),
        ]
        if let profile = Self.profile(of: port, as: place.wiring) {
            attributes.set("binding:profile", .object(profile))
        }
        return try await network.updatePort(port.id, attributes)
    }

    /// Where the network service is told that a port joins no bridge of its host.
    private static let wiringKey = "wiring"

    /// A port's profile with the wiring in the place of an earlier one; `nil` when it is so already.
    private static func profile(of port: Port, as wiring: String?) -> JSONObject? {
        guard port.bindingProfile[wiringKey]?.string != wiring else { return nil }
        var profile = JSONObject()
        for (key, value) in port.bindingProfile.members where key != wiringKey { profile.set(key, value) }
        if let wiring { profile.set(wiringKey, .string(wiring)) }
        return profile
    }

    // MARK: - Descriptions

    private func describe(
        _ ports: [(Port, RequestedInterface)], given: Set<PortID>, _ facts: WiringFacts, at place: PortPlace
    ) async throws -> Wiring {
        let interfaces = ports.map { port, item in
            let home = facts.networks[port.networkID]
            return NetworkInterfaceSpec(
                portID: port.id, networkID: port.networkID, networkName: home?.name ?? port.networkID.description,
                macAddress: port.macAddress, mtu: home?.mtu ?? 1500, binding: Self.binding(port, home, place),
                addresses: Self.addresses(of: port, facts.subnets[port.networkID] ?? [:]), tag: item.tag)
        }
        return Wiring(
            interfaces: interfaces, given: given,
            securityGroupNames: try await groupNames(ports.map(\.0), among: facts.groups),
            floating: given.isEmpty ? [:] : try await floating(ports.map(\.0.id)))
    }

    /// How a port is wired: as the driver likes it best.
    private static func binding(_ port: Port, _ network: Network?, _ place: PortPlace) -> PortBinding {
        switch place.bindings.first {
        case .bridge:
            let bridge = port.bindingDetails["bridge_name"] ?? "brq\(port.networkID.description.prefix(11))"
            return .bridge(bridge: bridge, tap: "tap\(port.id.description.prefix(11))")
        case .network: return .network(name: network?.physicalNetwork ?? port.networkID.description)
        case .unbound, nil: return .unbound
        }
    }

    private func subnets(of networks: Set<NetworkID>) async throws -> [NetworkID: [SubnetID: Subnet]] {
        guard !networks.isEmpty else { return [:] }
        let found = try await network.subnets(networks.sorted().map { ("network_id", $0.description) })
        return Dictionary(grouping: found, by: \.networkID).mapValues { subnets in
            Dictionary(subnets.map { ($0.id, $0) }) { first, _ in first }
        }
    }

    private static func addresses(of port: Port, _ subnets: [SubnetID: Subnet]) -> [FixedAddress] {
        port.addresses.compactMap { address in
            guard let subnet = subnets[address.subnetID] else { return nil }
            return FixedAddress(
                address: address.address, subnetID: subnet.id, cidr: subnet.cidr, gateway: subnet.gateway,
                nameServers: subnet.nameServers, routes: subnet.routes, dhcp: subnet.dhcp)
        }
    }

    private func groupNames(_ ports: [Port], among known: [SecurityGroup] = []) async throws -> [String] {
        let ids = Set(ports.flatMap(\.securityGroups))
        var names = Dictionary(known.map { ($0.id, $0.name) }) { first, _ in first }
        let unknown = ids.subtracting(names.keys).sorted()
        if !unknown.isEmpty {
            for group in try await network.securityGroups(unknown.map { ("id", $0.description) }) {
                names[group.id] = group.name
            }
        }
        return Set(ids.compactMap { names[$0] }).sorted()
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

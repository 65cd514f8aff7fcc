import ComputeModel
import Identity
import PeerClients
import ServiceInterfaces
import WireJSON

/// How a new server is to be connected, checked with the network service.
struct RequestedNetworks {
    private let call: ComputeCall
    private let count: Int

    /// - Parameter count: how many servers the request may make.
    init(_ call: ComputeCall, count: Int) { (self.call, self.count) = (call, count) }

    /// - Throws: 400, 403, 409.
    func resolve(_ asked: JSONValue?) async throws -> NetworkRequest {
        if asked?.string == "none" { return .none }
        let interfaces = try (asked?.array ?? []).map(Self.interface)
        guard !interfaces.isEmpty else { return try await theProjectsNetwork(isAuto: asked?.string == "auto") }
        try call.require(ServerPolicy.createWithNetwork, PolicyTarget(call.context))
        try checkAgainstEachOther(interfaces)
        try await checkPorts(interfaces)
        try await checkNetworks(interfaces)
        return .list(interfaces)
    }

    // MARK: Reading

    private static func interface(_ json: JSONValue) throws(ComputeFault) -> RequestedInterface {
        let address = json["fixed_ip"]?.string
        let tag = json["tag"]?.string
        if let text = json["port"]?.string, let port = PortID(text) {
            if let address {
                throw .badRequest(
                    "Specified Fixed IP '\(address)' cannot be used with port '\(port)': the two cannot be specified "
                        + "together.")
            }
            return RequestedInterface(port: port, tag: tag)
        }
        guard let text = json["uuid"]?.string else { throw .badRequest("Bad network format: missing 'uuid'") }
        guard let network = NetworkID(text) else {
            throw .badRequest("Bad networks format: network uuid is not in proper format (\(text))")
        }
        return RequestedInterface(network: network, fixedAddress: address, tag: tag)
    }

    private func checkAgainstEachOther(_ interfaces: [RequestedInterface]) throws(ComputeFault) {
        let ports = interfaces.compactMap(\.port)
        if let twice = ports.first(where: { port in ports.filter { $0 == port }.count > 1 }) {
            throw .badRequest(
                "Port ID '\(twice)' was specified twice: you cannot attach a port multiple times.")
        }
        guard count > 1 else { return }
        if interfaces.contains(where: { $0.fixedAddress != nil }) {
            throw .badRequest(
                "Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified.")
        }
        if !ports.isEmpty {
            throw .badRequest(
                "Failed to launch instances: Unable to launch multiple instances with a single configured port ID. "
                    + "Please launch your instance one by one with different ports.")
        }
    }

    // MARK: Asking

    private var token: String? { call.context.authToken }

    /// Without a wish: the one network that the project can use, if there is exactly one. External networks are for
    /// routers and must be named, as the conductor has it too.
    private func theProjectsNetwork(isAuto: Bool) async throws -> NetworkRequest {
        if isAuto { try call.require(ServerPolicy.createWithNetwork, PolicyTarget(call.context)) }
        let project = try call.project()
        let networks = call.services.networks
        let own = try await networks.networks([("tenant_id", project), ("shared", "false")], token: token)
        let shared = try await networks.networks([("shared", "true")], token: token)
        let usable = (own + shared).filter { !$0.isExternal }
        guard usable.count <= 1 else {
            throw ComputeFault.conflict(
                "Multiple possible networks found, use a Network ID to be more specific.")
        }
        guard let only = usable.first else { return isAuto ? .auto : .none }
        guard !only.subnets.isEmpty else { return isAuto ? .auto : .none }
        return .list([RequestedInterface(network: only.id)])
    }

    private func checkPorts(_ interfaces: [RequestedInterface]) async throws {
        for id in interfaces.compactMap(\.port) {
            let port = try await port(id)
            guard port.deviceID.isEmpty else { throw ComputeFault.conflict("Port \(id) is still in use.") }
            guard !port.addresses.isEmpty else {
                throw ComputeFault.badRequest("Port \(id) requires a FixedIP in order to be used.")
            }
        }
    }

    private func port(_ id: PortID) async throws -> Port {
        do {
            return try await call.services.networks.port(id, token: token)
        } catch {
            guard case .notFound = error else { throw error }
            throw ComputeFault.badRequest("Port id \(id) could not be found.")
        }
    }

    private func checkNetworks(_ interfaces: [RequestedInterface]) async throws {
        let asked = interfaces.compactMap(\.network)
        guard !asked.isEmpty else { return }
        let found = try await call.services.networks.networks(
            Set(asked).sorted().map { ("id", $0.description) }, token: token)
        let missing = Set(asked).subtracting(found.map(\.id)).sorted()
        guard missing.isEmpty else {
            let names = missing.map(\.description).joined(separator: ", ")
            throw ComputeFault.badRequest("Network \(names) could not be found.")
        }
        for network in found {
            guard !network.subnets.isEmpty else {
                throw ComputeFault.badRequest(
                    "Network \(network.id) requires a subnet in order to boot instances on.")
            }
            if network.isExternal, !network.isShared, !call.allows(ServerPolicy.attachExternalNetwork) {
                throw ComputeFault.forbidden(
                    "It is not allowed to create an interface on external network \(network.id)")
            }
        }
        for interface in interfaces { try await checkAddress(interface) }
    }

    private func checkAddress(_ interface: RequestedInterface) async throws {
        guard let address = interface.fixedAddress, let network = interface.network else { return }
        let filters = [("network_id", network.description), ("fixed_ips", "ip_address=\(address)")]
        guard let port = try await call.services.networks.ports(filters, token: token).first else { return }
        throw ComputeFault.badRequest(
            "Fixed IP address \(address) is already in use on instance \(port.deviceID).")
    }
}

/// The security groups of a new server, by identifier; `default` stays a word.
enum RequestedSecurityGroups {
    /// - Throws: 400, 409.
    static func resolve(_ names: [String], _ call: ComputeCall) async throws -> [String] {
        guard names.contains(where: { $0 != "default" }) else { return names }
        let groups = try await call.services.networks.securityGroups(
            [("tenant_id", try call.project())], token: call.context.authToken)
        return try names.map { name in
            if name == "default" { return name }
            if let id = SecurityGroupID(name), groups.contains(where: { $0.id == id }) { return id.description }
            let found = groups.filter { $0.name == name }
            guard let group = found.first else { throw ComputeFault.badRequest("Security group \(name) not found.") }
            guard found.count == 1 else {
                throw ComputeFault.conflict(
                    "Multiple security_group matches found for name '\(name)', use an ID to be more specific.")
            }
            return group.id.description
        }
    }
}

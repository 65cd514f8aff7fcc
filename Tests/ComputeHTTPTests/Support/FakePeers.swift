import ComputeHTTP
import ComputeModel
import DriverAPI
import PeerClients
import Testing
import WireJSON

/// An image service that knows what a test put into it.
final class FakeImages: ImageCatalog {
    private let images = Locked<[ImageID: Image]>([:])
    private let failure = Locked<PeerError?>(nil)

    /// Adds an image, in the image service's own form.
    @discardableResult
    func add(_ members: JSONObject = [:]) throws -> ImageID {
        var image: JSONObject = [
            "id": .string(ImageID.random().description), "name": "linux", "status": "active", "disk_format": "qcow2",
            "container_format": "bare", "size": 1000, "min_disk": 0, "min_ram": 0,
        ]
        for (key, value) in members { image.set(key, value) }
        let value = try #require(Image(.object(image)))
        images.with { $0[value.spec.id] = value }
        return value.spec.id
    }

    /// Makes every request fail.
    func fail(_ error: PeerError?) { failure.with { $0 = error } }

    func image(_ id: ImageID, token: String?, requestID: String?) async throws(PeerError) -> Image {
        if let error = failure.with(\.self) { throw error }
        guard let image = images.with({ $0[id] }) else { throw .notFound(service: "image", message: "no image") }
        return image
    }
}

/// An identity service whose projects are those of the tests' callers, or unknown.
final class FakeProjects: ProjectDirectory {
    private let failure = Locked<PeerError?>(nil)

    /// Makes every request fail.
    func fail(_ error: PeerError?) { failure.with { $0 = error } }

    func projectExists(_ project: String) async throws(PeerError) -> Bool {
        if let error = failure.with(\.self) { throw error }
        return project == APIFixture.project || project == APIFixture.otherProject
    }
}

/// A network service that knows what a test put into it.
final class FakeNetworks: NetworkCatalog {
    private struct State {
        var networks: [Network] = []
        var ports: [Port] = []
        var groups: [SecurityGroup] = []
    }
    private let state = Locked(State())

    @discardableResult
    func addNetwork(project: String, _ members: JSONObject = [:]) throws -> NetworkID {
        var network: JSONObject = [
            "id": .string(NetworkID.random().description), "name": "private", "project_id": .string(project),
            "subnets": [.string(SubnetID.random().description)],
        ]
        for (key, value) in members { network.set(key, value) }
        let value = try #require(Network(.object(network)))
        state.with { $0.networks.append(value) }
        return value.id
    }

    @discardableResult
    func addPort(_ members: JSONObject = [:]) throws -> PortID {
        var port: JSONObject = [
            "id": .string(PortID.random().description), "network_id": .string(NetworkID.random().description),
            "mac_address": "fa:16:3e:00:00:01", "status": "ACTIVE",
            "fixed_ips": [["subnet_id": .string(SubnetID.random().description), "ip_address": "10.0.0.5"]],
        ]
        for (key, value) in members { port.set(key, value) }
        let value = try #require(Port(.object(port)))
        state.with { $0.ports.append(value) }
        return value.id
    }

    @discardableResult
    func addGroup(_ name: String, project: String, rules: [JSONValue] = []) throws -> SecurityGroupID {
        let id = SecurityGroupID.random()
        let group: JSONValue = [
            "id": .string(id.description), "name": .string(name), "project_id": .string(project),
            "description": "a group", "security_group_rules": .array(rules),
        ]
        let value = try #require(SecurityGroup(group))
        state.with { $0.groups.append(value) }
        return id
    }

    func networks(_ filters: [(String, String)], token: String?) async throws(PeerError) -> [Network] {
        let ids = Set(filters.filter { $0.0 == "id" }.map(\.1))
        return state.with(\.networks).filter { network in
            (ids.isEmpty || ids.contains(network.id.description))
                && filters.allSatisfy { name, value in
                    switch name {
                    case "tenant_id": network.projectID == value
                    case "shared": network.isShared == (value == "true")
                    default: true
                    }
                }
        }
    }

    func port(_ id: PortID, token: String?) async throws(PeerError) -> Port {
        guard let port = state.with(\.ports).first(where: { $0.id == id }) else {
            throw .notFound(service: "network", message: "no port")
        }
        return port
    }

    func ports(_ filters: [(String, String)], token: String?) async throws(PeerError) -> [Port] {
        state.with(\.ports).filter { port in
            filters.allSatisfy { name, value in
                switch name {
                case "device_id": port.deviceID == value
                case "network_id": port.networkID.description == value
                case "fixed_ips": port.addresses.contains { value == "ip_address=\($0.address)" }
                default: true
                }
            }
        }
    }

    func securityGroups(_ filters: [(String, String)], token: String?) async throws(PeerError) -> [SecurityGroup] {
        let ids = Set(filters.filter { $0.0 == "id" }.map(\.1))
        let project = filters.first { $0.0 == "tenant_id" }?.1
        return state.with(\.groups).filter { group in
            (ids.isEmpty || ids.contains(group.id.description)) && (project == nil || group.projectID == project)
        }
    }
}

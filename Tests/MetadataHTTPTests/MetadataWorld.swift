import ComputeModel
import ComputeStore
import Crypto
import Database
import DatabaseServers
import HTTPService
import Logging
import Synchronization
import WireJSON

@testable import MetadataHTTP

/// A metadata service on a memory database.
final class MetadataWorld: Sendable {
    let store: ComputeStore
    let api: MetadataAPI
    let network = NetworkID.random()
    let clock = SteadyClock()

    init(_ options: MetadataAPIOptions = MetadataAPIOptions()) async throws {
        let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
        store = try await ComputeStore.open(database) { Timestamp(seconds: 1_800_000_000) }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        api = MetadataAPI(options, store: store, logger: logger) { [clock] in clock.now }
    }

    /// A client at an address of a network; on the plain listener without one.
    func client(at address: String, on network: NetworkID?) -> InMemoryHTTP {
        InMemoryHTTP(api, remoteHost: address, listenerTag: network.map { "net:\($0)" } ?? "metadata")
    }

    func get(_ path: String, at address: String = "10.0.0.5") async -> InMemoryResponse {
        await client(at: address, on: network).send(.GET, path)
    }

    /// A server with an address on the network.
    @discardableResult
    func makeServer(
        _ name: String = "demo", project: String = "p1", at address: String = "10.0.0.5", on network: NetworkID? = nil,
        userData: String? = "aGVsbG8=", tag: String? = nil
    ) async throws -> InstanceID {
        let id = InstanceID.random()
        let new = NewInstance(
            id: id, reservationID: "r-12345678", launchIndex: 0, projectID: project, userID: "u", name: name,
            description: nil, hostname: name, availabilityZone: "nova", imagePropertiesJSON: "{}", keyName: "key",
            keyData: "ssh-ed25519 AAAA", userData: userData, configDrive: false, accessIPv4: nil, accessIPv6: nil,
            metadata: ["role": "web"], tags: [], trustedCertificatesJSON: nil, hintsJSON: "{}", specJSON: "{}",
            flavor: FlavorSpec(flavorID: "1", name: "tiny", vcpus: 1, memoryMiB: 64, rootGiB: 1, swapMiB: 64),
            imageID: nil)
        try await store.createInstances(
            [new], sagas: [], origin: ActionOrigin(requestID: "req-1", userID: "u", projectID: project),
            limits: CreationLimits(instances: -1, cores: -1, memoryMiB: -1))
        let interface = NetworkInterfaceSpec(
            portID: PortID.random(), networkID: network ?? self.network, networkName: "net",
            macAddress: "fa:16:3e:00:00:01", mtu: 1450, binding: .unbound,
            addresses: [
                FixedAddress(address: address, subnetID: SubnetID.random(), cidr: "10.0.0.0/24", gateway: "10.0.0.1")
            ], tag: tag)
        try await store.wire(
            id, interfaces: [interface],
            addressesJSON: #"{"net":[{"addr":"203.0.113.9","OS-EXT-IPS:type":"floating","version":4}]}"#,
            securityGroupsJSON: #"[{"name":"default"}]"#)
        return id
    }

    static func signature(_ instance: some CustomStringConvertible, _ secret: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(instance.description.utf8), using: SymmetricKey(data: Array(secret.utf8)))
        return code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// A clock that moves when it is told to.
final class SteadyClock: Sendable {
    private let moment = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { moment.withLock { $0 } }
    func advance(_ duration: Duration) { moment.withLock { $0 += duration } }
}

import ComputeModel
import HTTPService
import ImageStandIn
import Logging
import Messaging
import NetworkStandIn
import ServiceInterfaces
import ServiceOptions

extension Deployment {
    /// The image stand-in.
    func makeImages(_ peers: Peers) async throws -> ImageAPI {
        let store = try await ImageStore.open(databases.image, now: Timestamp.now)
        var options = ImageStandInOptions()
        options.imageBytesMax = Int64(up.options.kilonova.imageSizeMax.bytes)
        return try await ImageAPI.make(
            options, store: store, files: try await ImageFiles.open(directory: up.options.kilonova.imagePath),
            tokens: peers.tokens, logger: logger("glance"))
    }

    /// The network stand-in. What changes is told to the network worker and to conductors, which keep copies.
    func makeNetworks(_ bus: MessageBus, _ peers: Peers) async throws -> NetworkAPI {
        var options = NetworkStandInOptions()
        options.defaultMTU = up.options.networkAgent.mtu
        let log = logger("neutron")
        return try await NetworkAPI.make(
            options, database: databases.network, tokens: peers.tokens, logger: log,
            changed: { change in
                Task { await Self.pass(on: change, bus, log) }
            })
    }

    /// A hint that is lost costs time only: worker and conductors look for themselves at an interval.
    private static func pass(on change: NetworkChange, _ bus: MessageBus, _ log: Logger) async {
        do {
            switch change {
            case .network(let network): try await bus.fanOut(NetworkChanged(network: network), topic: Topic.network)
            case .everything: try await bus.fanOut(NetworkChanged(network: nil), topic: Topic.network)
            case .devices(let devices):
                let instances = devices.sorted().compactMap { InstanceID($0) }
                guard !instances.isEmpty else { return }
                try await bus.cast(
                    NetworkInfoChanged(instances: instances), to: Address(topic: Topic.conductor),
                    deadline: .seconds(60))
            }
        } catch {
            log.debug("hint not passed on", metadata: ["error": "\(error)"])
        }
    }
}

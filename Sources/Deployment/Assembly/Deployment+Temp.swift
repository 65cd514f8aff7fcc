import ComputeModel
import ComputeStore
import Conductor
import HTTPService
import Logging
import Messaging
import NetworkAgent

extension Deployment {
    func makeNetworks(_ bus: MessageBus, _ peers: Peers) async throws -> DoorPlate { DoorPlate(mounts: []) }
    func startMetadata(_ store: ComputeStore, _ accounts: Accounts) async throws -> HTTPServer {
        HTTPServer(listeners: [], responder: DoorPlate(mounts: []), logger: logger("x"))
    }
    struct W { let worker: NetworkWorker; let source: S }
    struct S { func signal() {} }
    func makeNetworkWorker(_ bus: MessageBus, _ peers: Peers, _ m: HTTPServer) async throws -> W {
        throw DeploymentError(.unavailable, "x")
    }
    var configDriveFiles: ConfigDriveFiles { { _, _, _ in [:] } }
}

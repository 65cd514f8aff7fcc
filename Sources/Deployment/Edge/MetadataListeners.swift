import ComputeModel
import HTTPService
import NetworkAgent

/// Serves metadata on the sockets that the network worker opens inside the namespaces of networks. The listener's tag
/// says on which network a question was asked, so callers with the same address on two networks are told apart.
struct MetadataListeners: MetadataService {
    let server: HTTPServer

    func serve(_ network: NetworkID, on socket: Int32) async throws {
        await server.remove(tag: Self.tag(network), grace: .zero)
        _ = try await server.add(.socket(descriptor: socket, tag: Self.tag(network)))
    }

    func stopServing(_ network: NetworkID) async {
        await server.remove(tag: Self.tag(network), grace: .seconds(1))
    }

    private static func tag(_ network: NetworkID) -> String { "net:\(network)" }
}

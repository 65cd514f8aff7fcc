import ComputeStore
import HTTPService
import Identity
import WireJSON

/// A server's addresses by network.
enum AddressController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerConnectionPolicy.addressList)
        return call.answer { $0.field("addresses", ServerAddresses(server.addressesJSON).plain) }
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerConnectionPolicy.addressShow)
        let network = call.parameter("network")
        guard let addresses = ServerAddresses(server.addressesJSON).plain(on: network) else {
            throw ComputeFault.notFound("Instance is not a member of specified network")
        }
        return call.answer { $0.field(network, addresses) }
    }
}

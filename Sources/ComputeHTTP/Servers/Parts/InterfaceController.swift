import ComputeModel
import ComputeStore
import HTTPService
import Identity
import PeerClients
import WireJSON

/// A server's interfaces: its ports as the network service knows them.
enum InterfaceController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerConnectionPolicy.interfaceList)
        let ports = try await call.services.networks.ports(
            [("device_id", server.id.description)], token: call.context.authToken)
        let tags = try await tags(of: server, call)
        return call.answer { w in
            w.array("interfaceAttachments") { w in
                for port in ports { write(port, tags, call, &w) }
            }
        }
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerConnectionPolicy.interfaceShow)
        let port = try await port(call)
        guard port.deviceID == server.id.description else {
            throw ComputeFault.notFound("Instance \(server.id) does not have a port with id \(port.id)")
        }
        let tags = try await tags(of: server, call)
        return call.answer { w in
            w.key("interfaceAttachment")
            write(port, tags, call, &w)
        }
    }

    private static func port(_ call: ComputeCall) async throws -> Port {
        let name = call.parameter("port_id")
        let missing = ComputeFault.notFound("Port id \(name) could not be found.")
        guard let id = PortID(name) else { throw missing }
        do {
            return try await call.services.networks.port(id, token: call.context.authToken)
        } catch .notFound {
            throw missing
        } catch .forbidden(_, let message) {
            throw ComputeFault.forbidden(message)
        }
    }

    /// The tags that were given to interfaces; shown from 2.70 on.
    private static func tags(of server: InstanceRecord, _ call: ComputeCall) async throws -> [PortID: String] {
        guard call.has(70), let work = try await call.services.store.work(on: server.id) else { return [:] }
        var tags: [PortID: String] = [:]
        for interface in work.interfaces { tags[interface.portID] = interface.tag }
        return tags
    }

    private static func write(
        _ port: Port, _ tags: [PortID: String], _ call: ComputeCall, _ writer: inout JSONWriter
    ) {
        writer.object { w in
            w.field("net_id", port.networkID.description)
            w.field("port_id", port.id.description)
            w.field("mac_addr", port.macAddress)
            w.field("port_state", port.status)
            w.array("fixed_ips") { w in
                for address in port.addresses {
                    w.object { w in
                        w.field("subnet_id", address.subnetID.description)
                        w.field("ip_address", address.address)
                    }
                }
            }
            if call.has(70) { w.field("tag", tags[port.id]) }
        }
    }
}

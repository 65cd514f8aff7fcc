package import ComputeModel
package import Messaging

/// Asks the network worker of a host to make sure that bridge, addresses and rules of a port exist before a guest
/// uses it. Repeating succeeds.
package struct PreparePort: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "prepare_port"
    package static let version = MessageVersion.first

    package var port: PortID
    package var network: NetworkID
    package init(port: PortID, network: NetworkID) { (self.port, self.network) = (port, network) }
}

/// Tells network workers that something of a network changed. A hint: they look at an interval too.
package struct NetworkChanged: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "network_changed"
    package static let version = MessageVersion.first

    /// The network; `nil` when it could be any.
    package var network: NetworkID?
    package init(network: NetworkID?) { self.network = network }
}

package import ComputeModel

/// A guest's connection to a network.
package struct PlannedPort: Hashable, Sendable {
    package var id: PortID
    package var mac: MACAddress
    package var fixedAddresses: [IPAddress]
    /// The name of the host's end of the guest's network card. The hypervisor makes the device.
    package var tapName: String
    /// The name DHCP tells the guest; left out if it is no valid host name.
    package var hostName: String?
    package var protection: PortProtection

    /// A port; its device is named after its identifier unless a name is given.
    package init(
        id: PortID, mac: MACAddress, fixedAddresses: [IPAddress], tapName: String? = nil, hostName: String? = nil,
        protection: PortProtection
    ) {
        (self.id, self.mac, self.fixedAddresses, self.hostName) = (id, mac, fixedAddresses, hostName)
        (self.tapName, self.protection) = (tapName ?? HostNames.tap(id), protection)
    }
}

/// What a port may send and receive.
package enum PortProtection: Hashable, Sendable {
    /// Everything: Neutron's `port_security_enabled = false`.
    case open
    /// Everything, under its own addresses only.
    case addressesOnly(pairs: [PlannedAddressPair])
    /// What the rules allow, under its own addresses only. Without a rule nothing, except what it takes to get an
    /// address.
    case filtered(rules: [PlannedRule], pairs: [PlannedAddressPair])

    /// The additional addresses it may use.
    package var pairs: [PlannedAddressPair] {
        switch self {
        case .open: []
        case .addressesOnly(let pairs), .filtered(_, let pairs): pairs
        }
    }
}

/// Addresses that a port may use besides its own.
package struct PlannedAddressPair: Hashable, Sendable {
    /// The hardware address that goes with them; `nil` means the port's.
    package var mac: MACAddress?
    package var block: AddressPrefix

    package init(mac: MACAddress? = nil, block: AddressPrefix) { (self.mac, self.block) = (mac, block) }
}

/// One security group rule, as it applies to one port. Answers to what a rule allowed are always allowed.
package struct PlannedRule: Hashable, Sendable {
    /// Seen from the guest.
    package enum Direction: String, Hashable, Sendable { case ingress, egress }

    package var direction: Direction
    package var family: AddressFamily
    package var traffic: PlannedTraffic
    package var remote: PlannedRemote

    package init(
        _ direction: Direction, _ family: AddressFamily = .v4, _ traffic: PlannedTraffic = .any,
        remote: PlannedRemote = .any
    ) {
        (self.direction, self.family, self.traffic, self.remote) = (direction, family, traffic, remote)
    }
}

/// The kind of traffic a rule allows.
package enum PlannedTraffic: Hashable, Sendable {
    case any
    /// A protocol with ports; `nil` means all ports.
    case transport(TransportProtocol, ports: ClosedRange<UInt16>?)
    /// ICMP, or ICMPv6 in a rule for IPv6; `nil` means all types or codes. A code needs a type.
    case icmp(type: UInt8?, code: UInt8?)
    /// Any other protocol, by its number.
    case protocolNumber(UInt8)
}

/// The protocols that have ports, by nft's names for them.
package enum TransportProtocol: String, Hashable, Sendable { case tcp, udp, sctp, dccp, udplite }

/// The other side of the traffic that a rule allows.
package enum PlannedRemote: Hashable, Sendable {
    case any
    case block(AddressPrefix)
    /// The addresses of the members of a remote group; without members the rule allows nothing.
    case members(Set<AddressPrefix>)
}

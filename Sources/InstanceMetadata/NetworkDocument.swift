import ComputeModel
import WireJSON

/// `network_data.json`: links, networks and services (schema: doc/api_schemas/network_data.json of Nova).
///
/// As in Nova, each interface shows its first IPv4 and its first IPv6 network.
enum NetworkDocument {
    static func bytes(_ interfaces: [NetworkInterfaceSpec]) -> [UInt8] {
        // An object without members is what Nova serves to servers without interfaces.
        guard !interfaces.isEmpty else { return Array("{}".utf8) }
        var links: [JSONValue] = []
        var networks: [JSONValue] = []
        var services: [JSONValue] = []
        for interface in interfaces {
            let firsts = [false, true].compactMap { isV6 in interface.addresses.first { $0.isV6 == isV6 } }
            guard !firsts.isEmpty else { continue }
            // The name of its tap device on the host, by which Nova calls it everywhere.
            let link = "tap\("\(interface.portID)".prefix(11))"
            links.append(self.link(interface, link))
            for address in firsts {
                networks.append(network(address, of: interface, link: link, number: networks.count))
                for service in self.services(address) where !services.contains(service) { services.append(service) }
            }
        }
        return JSONValue.object([
            "links": .array(links), "networks": .array(networks), "services": .array(services),
        ]).serialized()
    }

    private static func link(_ interface: NetworkInterfaceSpec, _ name: String) -> JSONValue {
        let type =
            switch interface.binding {
            case .bridge: "bridge"
            case .network, .unbound: "phy"
            }
        return [
            "id": .string(name), "vif_id": .string("\(interface.portID)"), "type": .string(type),
            // Nova leaves the MTU to DHCP only where DHCP's own address is known, which it is not here.
            "mtu": interface.mtu > 0 ? JSONValue(interface.mtu) : .null,
            "ethernet_mac_address": .string(interface.macAddress),
        ]
    }

    private static func network(
        _ address: FixedAddress, of interface: NetworkInterfaceSpec, link: String, number: Int
    ) -> JSONValue {
        let version = address.isV6 ? 6 : 4
        var network: JSONObject = [
            "id": .string("network\(number)"), "type": .string(address.dhcp ? "ipv\(version)_dhcp" : "ipv\(version)"),
            "link": .string(link), "network_id": .string("\(interface.networkID)"),
        ]
        guard !address.dhcp else { return .object(network) }
        var routes: [JSONValue] = []
        if let gateway = address.gateway {
            let any: JSONValue = address.isV6 ? "::" : "0.0.0.0"
            routes.append(["network": any, "netmask": any, "gateway": .string(gateway)])
        }
        for route in address.routes {
            guard let prefix = IPPrefix(route.destination) else { continue }
            routes.append([
                "network": .string(prefix.network), "netmask": .string(prefix.netmask),
                "gateway": .string(route.nextHop),
            ])
        }
        network.set("ip_address", .string(address.address))
        network.set("netmask", JSONValue(IPPrefix(address.cidr)?.netmask))
        network.set("routes", .array(routes))
        network.set("services", .array(services(address)))
        return .object(network)
    }

    private static func services(_ address: FixedAddress) -> [JSONValue] {
        address.nameServers.map { ["type": "dns", "address": .string($0)] }
    }
}

extension FixedAddress {
    var isV6: Bool { address.contains(":") }
}

/// A network in prefix notation, `10.0.0.0/24` or `2001:db8::/64`.
struct IPPrefix {
    /// The first address.
    let network: String
    /// The mask as an address.
    let netmask: String

    /// Nil when the text is no prefix.
    init?(_ text: String) {
        let parts = text.split(separator: "/")
        guard parts.count == 2, let length = Int(parts[1]), length >= 0 else { return nil }
        if parts[0].contains(":") {
            guard length <= 128 else { return nil }
            network = String(parts[0])
            netmask = Self.mask6(length)
            return
        }
        let octets = parts[0].split(separator: ".").compactMap { UInt8($0) }
        guard length <= 32, octets.count == 4 else { return nil }
        let address = octets.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let mask: UInt32 = length == 0 ? 0 : ~UInt32(0) << UInt32(32 - length)
        network = Self.dotted(address & mask)
        netmask = Self.dotted(mask)
    }

    private static func dotted(_ address: UInt32) -> String {
        [24, 16, 8, 0].map { String(address >> UInt32($0) & 0xff) }.joined(separator: ".")
    }

    private static func mask6(_ length: Int) -> String {
        var groups: [String] = []
        for group in 0..<8 {
            let bits = max(0, min(16, length - group * 16))
            guard bits > 0 else { break }
            groups.append(String((UInt32(0xffff) << UInt32(16 - bits)) & 0xffff, radix: 16))
        }
        return groups.count == 8 ? groups.joined(separator: ":") : groups.joined(separator: ":") + "::"
    }
}

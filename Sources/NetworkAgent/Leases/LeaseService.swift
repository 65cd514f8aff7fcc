package import ComputeModel

/// The DHCP service of one network, as the files that dnsmasq reads.
///
/// The service knows only what the plan says: each port's addresses by its MAC address. It has no addresses to give to
/// anyone else. What may change while it runs stands in the hosts and options files, read again on SIGHUP; the name of
/// the configuration file contains a digest of it, so that a running process shows what it was started with.
package struct LeaseService: Hashable, Sendable {
    /// The network served.
    package let network: NetworkID
    /// Where its files are.
    package let directory: String
    /// What changes only with a restart.
    package let configuration: String
    /// The addresses of the ports.
    package let hosts: String
    /// What the guests are told.
    package let options: String
    /// Who shall have which address; an old lease that says otherwise has to go.
    let owners: [IPv4Address: MACAddress]

    /// The file that `configuration` goes to.
    package var configurationPath: String { "\(directory)/dnsmasq-\(Fingerprint.text(of: configuration)).conf" }
    var hostsPath: String { "\(directory)/hosts" }
    var optionsPath: String { "\(directory)/options" }
    var leasesPath: String { "\(directory)/leases" }
    var logPath: String { "\(directory)/log" }

    /// The service of a network; `nil` if the network has none.
    init?(_ network: PlannedNetwork, directory: String, leaseSeconds: Int) {
        guard let port = network.dhcpPort else { return nil }
        let subnets = network.subnets.filter { subnet in
            subnet.servesDHCP && subnet.block.address.family == .v4
                && port.addresses.contains { subnet.block.contains($0.address) }
        }
        guard !subnets.isEmpty else { return nil }
        (self.network, self.directory) = (network.id, directory)
        configuration = Self.configuration(subnets, directory: directory, leaseSeconds: leaseSeconds)
        options = subnets.map { Self.options($0, of: network, port: port) }.joined()
        var lines: [String] = []
        var owners: [IPv4Address: MACAddress] = [:]
        for planned in network.ports.sorted(by: { $0.id < $1.id }) {
            for case .v4(let address) in planned.fixedAddresses
            where subnets.contains(where: { $0.block.contains(.v4(address)) }) {
                let name = planned.hostName.flatMap { Self.isHostName($0) ? $0 : nil } ?? Self.hostName(of: address)
                lines.append("\(planned.mac),\(address),\(name)\n")
                owners[address] = planned.mac
            }
        }
        hosts = lines.joined()
        self.owners = owners
    }

    private static func configuration(_ subnets: [PlannedSubnet], directory: String, leaseSeconds: Int) -> String {
        var lines = [
            "# Written by kilonova for one network; changes here do not last.",
            "port=0", "interface=\(HostNames.serviceLink)", "except-interface=lo", "bind-interfaces",
            "no-hosts", "no-resolv", "no-ping", "dhcp-authoritative", "dhcp-lease-max=65536",
            "dhcp-hostsfile=\(directory)/hosts", "dhcp-optsfile=\(directory)/options",
            "dhcp-leasefile=\(directory)/leases", "pid-file=\(directory)/pid", "log-facility=\(directory)/log",
        ]
        for subnet in subnets {
            let block = subnet.block.block
            lines.append("dhcp-range=set:\(tag(subnet)),\(block.address),static,\(block.netmask),\(leaseSeconds)s")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Option 121 makes guests ignore the router option, so it repeats the way out.
    private static func options(_ subnet: PlannedSubnet, of network: PlannedNetwork, port: PlannedDHCPPort) -> String {
        let tag = "tag:\(tag(subnet))"
        var routes: [String] = []
        if let service = port.addresses.first(where: { subnet.block.contains($0.address) })?.address {
            routes.append("\(MetadataSocket.address)/32,\(service)")
        }
        for route in subnet.hostRoutes where route.destination.address.family == .v4 && route.nextHop.family == .v4 {
            routes.append("\(route.destination.block),\(route.nextHop)")
        }
        if case .v4(let gateway) = subnet.gateway { routes.append("0.0.0.0/0,\(gateway)") }
        let routeList = routes.joined(separator: ",")
        var lines = [
            "\(tag),option:mtu,\(network.mtu)", "\(tag),option:classless-static-route,\(routeList)",
            "\(tag),249,\(routeList)",
        ]
        if case .v4(let gateway) = subnet.gateway {
            lines.append("\(tag),option:router,\(gateway)")
        } else {
            lines.append("\(tag),option:router")
        }
        let servers = subnet.nameServers.compactMap(\.v4).map(\.description)
        lines.append(
            servers.isEmpty ? "\(tag),option:dns-server" : "\(tag),option:dns-server,\(servers.joined(separator: ","))")
        return lines.map { $0 + "\n" }.joined()
    }

    private static func tag(_ subnet: PlannedSubnet) -> String { "subnet-" + HostNames.short(subnet.id) }

    private static func hostName(of address: IPv4Address) -> String {
        "host-" + address.description.split(separator: ".").joined(separator: "-")
    }

    /// Letters, digits and inner hyphens, at most 63: nothing that could end a field or a line.
    static func isHostName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let hyphen = UInt8(ascii: "-")
        guard (1...63).contains(bytes.count), bytes.first != hyphen, bytes.last != hyphen else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), hyphen:
                true
            default: false
            }
        }
    }

    /// What is left of a lease file without the leases whose address now belongs to someone else; `nil` if all may
    /// stay.
    /// A line is: time of expiry, MAC address, IP address, name, client identifier.
    func leasesWithoutConflicts(_ text: String) -> String? {
        let lines = text.split(separator: "\n")
        let kept = lines.filter { line in
            let fields = line.split(separator: " ")
            guard fields.count >= 3, let mac = MACAddress(String(fields[1])),
                let address = IPv4Address(String(fields[2]))
            else { return true }
            return owners[address].map { $0 == mac } ?? true
        }
        return kept.count == lines.count ? nil : kept.map { $0 + "\n" }.joined()
    }
}

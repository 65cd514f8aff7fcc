import WireJSON

/// What is found on the host: devices and namespaces with our mark, and our processes.
struct HostObservation: Sendable {
    struct Link: Sendable {
        var name: String
        var kind: String
        var mac: MACAddress?
        var mtu: Int
        var isUp: Bool
        var master: String?
        var alias: String?
        var addresses: [AddressPrefix]
        var filtersFrames: Bool
    }

    struct Namespace: Sendable {
        var links: [String: Link] = [:]
        var defaultRoute: HostLayout.Route?
        var owner: String? { links["lo"]?.alias }
        var settings: Set<NamespaceSetting> = []
        var rules: String?
    }

    var links: [String: Link] = [:]
    var namespaces: [String: Namespace] = [:]
    /// Names of namespaces behind which there is none: something was ended while it made or removed them.
    var brokenNamespaces: [String] = []
    var processes: [LeaseProcess] = []
    var hostSettings: Set<NamespaceSetting> = []

    /// Reads devices from what `ip -json -details address` writes.
    static func links(_ json: [UInt8]) throws(JSONParseError) -> [String: Link] {
        var links: [String: Link] = [:]
        guard !json.allSatisfy({ $0 == 10 || $0 == 32 }) else { return links }
        for entry in try JSONParser.parse(json, limits: .ofCommands).array ?? [] {
            guard let name = entry["ifname"]?.string else { continue }
            let details = entry["linkinfo"]
            links[name] = Link(
                name: name, kind: details?["info_kind"]?.string ?? "",
                mac: entry["address"]?.string.flatMap { MACAddress($0) }, mtu: entry["mtu"]?.int ?? 0,
                isUp: entry["flags"]?.array?.contains(.string("UP")) ?? false,
                master: entry["master"]?.string, alias: entry["ifalias"]?.string,
                addresses: (entry["addr_info"]?.array ?? []).compactMap { info in
                    guard let text = info["local"]?.string, let address = IPAddress(text) else { return nil }
                    return info["prefixlen"]?.int.flatMap { AddressPrefix(address, length: $0) }
                },
                filtersFrames: details?["info_data"]?["nf_call_iptables"]?.int == 1
                    && details?["info_data"]?["nf_call_ip6tables"]?.int == 1)
        }
        return links
    }

    /// Reads the default route from what `ip -json route` writes.
    static func defaultRoute(_ json: [UInt8]) throws(JSONParseError) -> HostLayout.Route? {
        guard !json.allSatisfy({ $0 == 10 || $0 == 32 }) else { return nil }
        for entry in try JSONParser.parse(json, limits: .ofCommands).array ?? [] where entry["dst"] == "default" {
            guard let gateway = entry["gateway"]?.string, let nextHop = IPv4Address(gateway),
                let leg = entry["dev"]?.string
            else { continue }
            return HostLayout.Route(nextHop: nextHop, leg: leg)
        }
        return nil
    }
}

/// Looks at the host by way of `ip`, `nft` and /proc.
struct HostObserver: Sendable {
    let command: HostCommand
    let options: HostNetworkOptions

    /// Everything that concerns us, as it is now. Namespaces are looked into for what the layout wants there.
    func observe(for layout: HostLayout) async throws(HostNetworkError) -> HostObservation {
        let place = options.place
        var found = HostObservation()
        found.links = try await links([])
        found.processes = LeaseProcess.running(below: options.runtimeDirectory)
        found.hostSettings = Set(layout.hostSettings.filter { $0.holds(in: place.networkNamespace) })
        let wanted = Dictionary(uniqueKeysWithValues: layout.namespaces.map { ($0.name, $0) })
        let names = SystemFile.names(in: "\(place.rootDirectory)/run/netns").filter(HostNames.isNamespaceOfOurs)
        for name in names {
            guard exists(name) else {
                found.brokenNamespaces.append(name)
                continue
            }
            var space = HostObservation.Namespace()
            space.links = try await links(["-n", name])
            if let plan = wanted[name] {
                space.settings = Set(plan.settings.filter { $0.holds(in: place.namespacePath(name)) })
                if plan.rules != nil { space.defaultRoute = try await defaultRoute(in: name) }
                if let table = plan.rules { space.rules = await rules(of: table, in: name) }
            }
            found.namespaces[name] = space
        }
        return found
    }

    /// The fingerprint of a table as the kernel has it; `nil` if there is none.
    func rules(of table: NftTable, in namespace: String? = nil) async -> String? {
        guard let listing = try? await listing(of: table, in: namespace) else { return nil }
        return RuleListing.fingerprint(listing)
    }

    /// The table as the kernel has it, in nft's JSON form.
    func listing(of table: NftTable, in namespace: String? = nil) async throws(HostNetworkError) -> [UInt8] {
        let prefix = namespace.map { ["ip", "netns", "exec", $0] } ?? []
        return try await run(prefix + ["nft", "-j", "-s", "list", "table", table.family, table.name])
    }

    /// A file that a killed process left behind, with no namespace mounted on it, counts as absent.
    private func exists(_ namespace: String) -> Bool {
        NamespaceSetting.read("net/ipv4/ip_forward", in: options.place.namespacePath(namespace)) != nil
    }

    private func links(_ arguments: [String]) async throws(HostNetworkError) -> [String: HostObservation.Link] {
        let command = ["ip"] + arguments + ["-json", "-details", "address", "show"]
        let output = try await run(command)
        do { return try HostObservation.links(output) } catch { throw unreadable(command, error) }
    }

    private func defaultRoute(in namespace: String) async throws(HostNetworkError) -> HostLayout.Route? {
        let command = ["ip", "-n", namespace, "-json", "route", "show", "default"]
        let output = try await run(command)
        do { return try HostObservation.defaultRoute(output) } catch { throw unreadable(command, error) }
    }

    private func run(_ arguments: [String]) async throws(HostNetworkError) -> [UInt8] {
        do {
            return try await command.run(arguments, timeout: options.commandTimeout).standardOutput
        } catch { throw .command(error) }
    }

    private func unreadable(_ command: [String], _ error: JSONParseError) -> HostNetworkError {
        .command(
            .init(command: command.joined(separator: " "), reason: .status(0), complaint: "unreadable answer: \(error)")
        )
    }
}

extension JSONLimits {
    /// For what programs of the host write.
    static let ofCommands = JSONLimits(bytesMax: 64 << 20)
}

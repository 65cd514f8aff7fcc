import WireJSON

extension HostNetwork {
    /// Under this name the record has the tables in the host's own namespace.
    static let hostKey = "host"

    private func hostRulesHold(_ layout: HostLayout, lookingAtKernel: Bool) async -> Bool {
        let observer = HostObserver(command: command, options: options)
        for table in layout.hostRules {
            guard let recorded = record.listed(table, in: Self.hostKey) else { return false }
            if lookingAtKernel {
                let listed = await observer.rules(of: table)
                if listed != recorded { return false }
            }
        }
        return true
    }

    func enforceHostRules(
        _ layout: HostLayout, lookingAtKernel: Bool
    ) async throws(HostNetworkError) -> [HostChange] {
        if await hostRulesHold(layout, lookingAtKernel: lookingAtKernel) { return [] }
        try await replace(layout.hostRules, in: nil)
        return layout.hostRules.map { HostChange(.changed, "table \($0.family) \($0.name)") }
    }

    /// Replaces tables in one transaction, reads them back, and remembers what was read.
    func replace(_ tables: [NftTable], in namespace: String?) async throws(HostNetworkError) {
        let prefix = namespace.map { ["ip", "netns", "exec", $0] } ?? []
        try await run(prefix + ["nft", "-f", "-"], input: tables.map(\.replacement).joined())
        let observer = HostObserver(command: command, options: options)
        for table in tables {
            let listing = try await observer.listing(of: table, in: namespace)
            let differences = RuleListing.differences(listing, from: table)
            guard differences.isEmpty else { throw .didNotHold(differences) }
            record.record(table, in: namespace ?? Self.hostKey, listed: RuleListing.fingerprint(listing))
        }
    }

    /// Tables of others that drop what they do not know at a place that guests' packets pass. Nothing can be done
    /// about it from here: a packet must be accepted in every table.
    func foreignObstacles() async -> [String] {
        guard let output = try? await command.run(["nft", "-j", "list", "chains"], timeout: options.commandTimeout),
            let listing = try? JSONParser.parse(output.standardOutput, limits: .ofCommands)["nftables"]?.array
        else { return [] }
        return listing.compactMap { entry in
            guard let chain = entry["chain"], chain["hook"]?.string == "forward", chain["policy"]?.string == "drop",
                let family = chain["family"]?.string, let table = chain["table"]?.string,
                let name = chain["name"]?.string
            else { return nil }
            return "The table \(family) \(table) drops forwarded packets that it does not know, guests' packets too; "
                + "let those of brq* and brx* pass in its chain \(name)."
        }
    }
}

import CNetworkNamespace
import Logging
import WireJSON

/// Rules that are in force, with the generation of the kernel's rules since which nobody changed any.
struct RulesInForce: Sendable {
    var tables: [NftTable]
    var generation: Int64
}

extension HostNetwork {
    /// Under this name the record has the tables in the host's own namespace.
    static let hostKey = "host"

    /// The kernel's count of changes to the rules of the host's namespace; `nil` if it does not tell.
    func ruleGeneration() -> Int64? {
        let generation = kn_rule_generation_in_namespace(options.place.networkNamespace)
        return generation < 0 ? nil : generation
    }

    /// Puts the host's rules into force. Knowing by the generation that nobody touched them since, only what is new is
    /// told to the kernel; else they are read, and replaced as a whole if they are not the ones.
    func enforceHostRules(
        _ layout: HostLayout, lookingAtKernel: Bool
    ) async throws(HostNetworkError) -> [HostChange] {
        let tables = layout.hostRules
        let changes = tables.map { HostChange(.changed, "table \($0.family) \($0.name)") }
        if let known = rulesInForce, known.generation == ruleGeneration() {
            if known.tables == tables {
                if lookingAtKernel { try await rememberListing(of: tables, at: known.generation) }
                return []
            }
            if await change(known, to: tables) { return changes }
        } else if let generation = ruleGeneration(), await hostRulesHold(tables) {
            rulesInForce = generation == ruleGeneration() ? RulesInForce(tables: tables, generation: generation) : nil
            return []
        }
        rulesInForce = nil
        let generation = ruleGeneration()
        try await replace(tables, in: nil)
        if let generation, ruleGeneration() == generation + 1 {
            rulesInForce = RulesInForce(tables: tables, generation: generation + 1)
        }
        return changes
    }

    /// Tells the kernel what is new; `false` if that did not work, or somebody else changed rules meanwhile.
    private func change(_ known: RulesInForce, to tables: [NftTable]) async -> Bool {
        guard known.tables.count == tables.count else { return false }
        let text = zip(known.tables, tables).map { $1.changes(from: $0) }.joined()
        do {
            try await run(["nft", "-f", "-"], input: text)
        } catch {
            logger.warning("rules not changed in place", metadata: ["reason": "\(error)"])
            return false
        }
        guard ruleGeneration() == known.generation + 1 else { return false }
        rulesInForce = RulesInForce(tables: tables, generation: known.generation + 1)
        return true
    }

    /// Reads rules back that were changed in place, so that the next process recognizes them.
    private func rememberListing(of tables: [NftTable], at generation: Int64) async throws(HostNetworkError) {
        let observer = HostObserver(command: command, options: options)
        for table in tables where record.listed(table, in: Self.hostKey) == nil {
            let listing = try await observer.listing(of: table)
            guard ruleGeneration() == generation else { return }
            let differences = RuleListing.differences(listing, from: table)
            guard differences.isEmpty else { throw .didNotHold(differences) }
            record.record(table, in: Self.hostKey, listed: RuleListing.fingerprint(listing))
        }
    }

    private func hostRulesHold(_ tables: [NftTable]) async -> Bool {
        let observer = HostObserver(command: command, options: options)
        for table in tables {
            guard let recorded = record.listed(table, in: Self.hostKey) else { return false }
            let listed = await observer.rules(of: table)
            if listed != recorded { return false }
        }
        return true
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

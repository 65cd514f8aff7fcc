import WireJSON

/// What nft says about a table that is in force.
enum RuleListing {
    /// The same as long as nobody changes the table. Handles are left out: they are new in every transaction.
    static func fingerprint(_ json: [UInt8]) -> String {
        let marker = Array("\"handle\": ".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(json.count)
        var index = 0
        while index < json.count {
            if json[index] == marker[0], json[index...].starts(with: marker) {
                index += marker.count
                while index < json.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(json[index]) { index += 1 }
            } else {
                text.append(json[index])
                index += 1
            }
        }
        return Fingerprint.text(of: String(decoding: text, as: UTF8.self))
    }

    /// In what a listing differs from the table that was to be: chains and collections by name, rules by number.
    static func differences(_ json: [UInt8], from table: NftTable) -> [String] {
        guard let listing = try? JSONParser.parse(json, limits: .ofCommands)["nftables"]?.array else {
            return ["table \(table.family) \(table.name) cannot be read back"]
        }
        var rules: [String: Int] = [:]
        var collections: Set<String> = []
        for entry in listing {
            if let name = entry["chain"]?["name"]?.string { rules[name, default: 0] += 0 }
            if let chain = entry["rule"]?["chain"]?.string { rules[chain, default: 0] += 1 }
            if let name = (entry["set"] ?? entry["map"])?["name"]?.string { collections.insert(name) }
        }
        let wanted = Dictionary(uniqueKeysWithValues: table.chains.map { ($0.name, $0.rules.count) })
        var differences: [String] = []
        for name in Set(wanted.keys).union(rules.keys).sorted() where wanted[name] != rules[name] {
            differences.append("chain \(table.family) \(table.name) \(name)")
        }
        for name in collections.symmetricDifference(table.collections.map(\.name)).sorted() {
            differences.append("set \(table.family) \(table.name) \(name)")
        }
        return differences
    }
}

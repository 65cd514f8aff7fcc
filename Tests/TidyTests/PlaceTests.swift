import Testing

/// Things that belong in one place.
@Suite struct PlaceTests {
    @Test func sqlStandsOnlyInStores() {
        let stores: Set<String> = [
            "Database", "ComputeStore", "Placement", "IdentityStandIn", "ImageStandIn", "NetworkStandIn",
        ]
        let statement = #/
            \b(SELECT\s.+\sFROM | INSERT\s+(OR\s+\w+\s+)?INTO | UPDATE\s+\w+\s+SET | DELETE\s+FROM
            | CREATE\s+(TABLE | (UNIQUE\s+)?INDEX))\b
            /#.dotMatchesNewlines()
        var findings: [Finding] = []
        var inStores = 0
        for file in Repository.shipped {
            for literal in file.text.literals where literal.text.contains(statement) {
                if stores.contains(file.module) {
                    inStores += 1
                    continue
                }
                findings.append(
                    Finding(
                        path: file.path, line: literal.line,
                        remedy: "SQL outside a store; write a query in ComputeStore (or the module's own store)"))
            }
        }
        #expect(inStores > 100, "the pattern does not find the stores' own SQL any more")
        expectNone(findings, of: .sql)
    }

    @Test func librariesAreOpenedOnlyByTheDriverLoader() {
        var findings: [Finding] = []
        for file in Repository.shipped where !file.path.hasPrefix("Sources/ComputeAgent/Drivers/") {
            for (index, line) in file.text.code.enumerated()
            where line.contains("dl") && line.contains(#/\b(dlopen|dlsym)\s*\(/#) {
                findings.append(
                    Finding(path: file.path, line: index + 1, remedy: "dlopen belongs to ComputeAgent/Drivers"))
            }
        }
        expectNone(findings, of: .dlopen)
    }

    @Test func microversionsStandOnlyAtTheEdge() {
        let places: Set<String> = ["APIVersioning", "ComputeHTTP", "PlacementHTTP"]
        var findings: [Finding] = []
        let remedy = "a microversion outside the edge; decide by a value that the edge derives from it"
        for file in Repository.shipped where !places.contains(file.module) {
            for (index, line) in file.text.code.enumerated()
            where line.contains("Microversion") && line.contains(#/\bMicroversion\s*\(/#) {
                findings.append(Finding(path: file.path, line: index + 1, remedy: remedy))
            }
            for literal in file.text.literals where literal.text.wholeMatch(of: #/2\.\d{1,3}/#) != nil {
                findings.append(Finding(path: file.path, line: literal.line, remedy: remedy))
            }
        }
        expectNone(findings, of: .microversion)
    }
}

/// Fails with everything found that no exemption covers.
func expectNone(_ findings: [Finding], of rule: Exemptions.Rule) {
    let open = findings.filter { !Exemptions.holds(rule, for: $0.path) }
    expectNone(open)
    for line in Exemptions.all where line.rule == rule {
        let isUsed = findings.contains { line.covers($0.path) }
        #expect(isUsed, "the exemption of \(line.path) from '\(rule.rawValue)' is not needed any more: remove it")
    }
}

/// Fails with everything found.
func expectNone(_ findings: [Finding]) {
    if !findings.isEmpty { Issue.record("\(listed(findings))") }
}

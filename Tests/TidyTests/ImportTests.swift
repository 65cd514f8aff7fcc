import Testing

/// Who knows whom: the table in Package.swift, the layers, and what sources really import.
@Suite struct ImportTests {
    private let table: ModuleTable

    init() throws { table = try ModuleTable(Repository.text("Package.swift")) }

    @Test func theTableIsRead() {
        #expect(table.entries.count > 30)
        #expect(table["ComputeAgent"]?.modules == ["ServiceInterfaces", "Messaging"])
        #expect(table["ComputeAgent"]?.products == ["kit", "logging"])
        #expect(table["FakeDriver"]?.kind == "plugin")
        #expect(table["CSQLite"]?.kind == "system")
    }

    @Test func sourcesImportOnlyWhatTheTableAllows() throws {
        var findings: [Finding] = []
        for file in Repository.sources where !file.path.hasPrefix("Plugins/DriverKit/") {
            guard let entry = table[file.module] else {
                let remedy = "no line for \(file.module) in Package.swift"
                findings.append(Finding(path: file.path, line: 1, remedy: remedy))
                continue
            }
            var allowed = try table.imports(of: entry).union(Layers.system)
            if ["test", "fuzz"].contains(entry.kind) { allowed.formUnion(["Testing"]) }
            for found in Self.imports(file) where !allowed.contains(found.module) {
                findings.append(
                    Finding(
                        path: file.path, line: found.line,
                        remedy: "\(entry.name) imports \(found.module), which its line in Package.swift does not "
                            + "allow; reach it through a module that may, or argue the arrow in docs/modules.md"))
            }
        }
        expectNone(findings)
    }

    @Test func driverKitDependsOnTheStandardLibraryAlone() {
        let allowed: [String: Set<String>] = [
            "ComputeModel": ["Glibc"], "DriverAPI": ["Glibc", "ComputeModel", "CDriverABI"],
            "DriverConformance": ["Glibc", "Foundation", "FoundationEssentials", "ComputeModel", "DriverAPI"],
        ]
        var findings: [Finding] = []
        for file in Repository.sources where file.path.hasPrefix("Plugins/DriverKit/Sources/") {
            for found in Self.imports(file) where allowed[file.module]?.contains(found.module) != true {
                findings.append(
                    Finding(
                        path: file.path, line: found.line,
                        remedy: "\(file.module) imports \(found.module); every driver would carry it, so do without"))
            }
        }
        expectNone(findings)
    }

    @Test func arrowsPointDown() {
        var problems: [String] = []
        for entry in table.entries where ["library", "executable"].contains(entry.kind) {
            guard let layer = Layers.layer(of: entry.name) else {
                problems.append("\(entry.name) has no layer: add it to Layers in TidyTests and to docs/modules.md")
                continue
            }
            for other in entry.modules {
                let arrow = "\(entry.name) → \(other)"
                guard let below = Layers.layer(of: other) else {
                    problems.append("\(arrow): \(other) has no layer; add it to Layers in TidyTests")
                    continue
                }
                let isService = Layers.all[below].name == "services" && Layers.all[layer].name == "edge"
                if below > layer || (below == layer && !Layers.sideways.contains(arrow)) {
                    problems.append(
                        "\(arrow) goes against the layers (\(Layers.all[layer].name) → \(Layers.all[below].name)); "
                            + "move what is shared down, or send a message")
                } else if isService, !Layers.edgeToService.contains(arrow) {
                    problems.append("\(arrow): an edge reaches services by messages in ServiceInterfaces")
                }
            }
        }
        for entry in table.entries where entry.kind == "plugin" {
            let allowed = Layers.pluginLibraries[entry.name] ?? []
            if !Set(entry.modules).isSubset(of: allowed) || entry.products != ["kit"] {
                problems.append(
                    "\(entry.name): a plugin knows DriverKit, its system library and DriverSupport, nothing else")
            }
        }
        if !problems.isEmpty { Issue.record("\(problems.joined(separator: "\n"))") }
    }

    @Test func theAgentKnowsNoDatabase() {
        let known = Set(table["ComputeAgent"]?.modules ?? [])
        #expect(known.isDisjoint(with: ["ComputeStore", "Database"]))
    }

    @Test func everyModuleIsExplained() throws {
        let page = try Repository.text("docs/modules.md")
        for entry in table.entries where entry.kind != "test" {
            let isThere = page.contains("`\(entry.name)`")
            #expect(isThere, "docs/modules.md says nothing about \(entry.name)")
        }
    }

    private static func imports(_ file: Repository.File) -> [(line: Int, module: String)] {
        var found: [(Int, String)] = []
        for (index, line) in file.text.code.enumerated() {
            let words = line.split(separator: " ").map(String.init)
            guard let at = words.firstIndex(of: "import"), words.count > at + 1 else { continue }
            let before = words[..<at].allSatisfy {
                $0.hasPrefix("@") || ["public", "package", "internal", "fileprivate", "private"].contains($0)
            }
            guard before else { continue }
            let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            let name = kinds.contains(words[at + 1]) && words.count > at + 2 ? words[at + 2] : words[at + 1]
            found.append((index + 1, String(name.prefix { $0 != "." && $0 != ";" })))
        }
        return found
    }
}

package import ComputeAgent
import ComputeModel
package import DriverAPI
import ServiceOptions

/// What `kilonovad driver show` and `driver check` print.
package enum DriverText {
    /// Manifest and library.
    package static func manifest(_ loaded: DriverLoader.Loaded) -> String {
        let manifest = loaded.manifest
        var lines = [
            "\(manifest.name) \(manifest.version)", "    \(manifest.summary)",
            "    driver API \(manifest.driverAPI.joined(separator: ", ")); \(loaded.apiVersion) is used",
            "    library \(loaded.path)",
        ]
        if !manifest.aliases.isEmpty { lines.append("    also known as \(manifest.aliases.joined(separator: ", "))") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The driver's options with their defaults and what they are for.
    package static func options(_ factory: DriverFactory, driver: String) -> String {
        let schema = DriverSelection.schema(factory, driver: driver)
        guard !schema.options.isEmpty else { return "It has no options.\n" }
        var text = "[\(schema.name)]\n"
        for option in schema.options {
            let value = option.isSecret ? "secret" : option.defaultText.map { "default: \($0.isEmpty ? "empty" : $0)" }
            text += "    \(option.name)  (\(option.type.name); \(value ?? "unset"))\n"
            text += wrapped(option.help, indent: 8)
            if !option.isSecret { text += wrapped("Allowed: \(option.type.allowed).", indent: 8) }
        }
        return text
    }

    /// What the driver can do here.
    package static func capabilities(_ capabilities: Capabilities) -> String {
        var text = "capabilities\n" + wrapped(capabilities.names.joined(separator: ", "), indent: 4)
        let traits = capabilities.placementTraits.map(\.rawValue).sorted()
        if !traits.isEmpty { text += "their traits\n" + wrapped(traits.joined(separator: ", "), indent: 4) }
        return text
    }

    /// What an agent would report of the node.
    package static func findings(_ findings: DriverProbe.Findings) -> String {
        var text = ""
        switch findings.health {
        case .healthy: text += "health: healthy\n"
        case .unhealthy(let reason): text += wrapped("health: unhealthy: \(reason)", indent: 0)
        }
        let node = findings.inventory
        text += "inventory: \(node.hypervisorType) \(node.hypervisorVersion) on \(node.hypervisorHostname)\n"
        text += "    processor \(node.cpu.arch) \(node.cpu.vendor) \(node.cpu.model), \(node.cpu.sockets) sockets x "
        text += "\(node.cpu.cores) cores x \(node.cpu.threads) threads\n"
        for (name, amounts) in node.resources.sorted(by: { $0.key < $1.key }) {
            text += "    \(name) \(amounts.total), reserved \(amounts.reserved), ratio \(amounts.allocationRatio)\n"
        }
        text += "    free disk space \(node.diskFreeGiB) GiB\n"
        let kinds = node.supportedGuests.map { "\($0.architecture)/\($0.hypervisorType)/\($0.machineMode)" }
        text += wrapped("guests of: " + (kinds.isEmpty ? "nothing" : kinds.joined(separator: ", ")), indent: 4)
        let traits = node.traits.map(\.rawValue).sorted()
        if !traits.isEmpty { text += wrapped("traits: \(traits.joined(separator: ", "))", indent: 4) }
        let ours = findings.guests.count { $0.isOurs }
        text += "guests there now: \(ours) of this driver, \(findings.guests.count - ours) foreign\n"
        return text
    }

    /// Words in lines of at most 100 columns.
    private static func wrapped(_ prose: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        var line = ""
        for word in prose.split(whereSeparator: \.isWhitespace) {
            if !line.isEmpty, indent + line.count + 1 + word.count > 100 {
                lines.append(margin + line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        if !line.isEmpty { lines.append(margin + line) }
        return lines.map { $0 + "\n" }.joined()
    }
}

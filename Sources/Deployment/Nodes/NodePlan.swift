import ServiceOptions

/// One compute node of this process, as the configuration describes it.
struct NodePlan: Sendable {
    /// Its name in `[kilonova] nodes`; `nil` for the one node of a process that names none.
    let name: String?
    /// `host`: under which conductors reach it and services list it.
    let host: String
    /// The options as this node sees them.
    let options: KilonovaOptions
    let source: ConfigurationSource

    /// Where the node keeps something, below the state directory.
    func folder(_ what: String) -> String { name.map { "nodes/\($0)/\(what)" } ?? what }

    /// A text for messages, with the node's name in front where nodes have names.
    func says(_ text: String) -> String { name.map { "node '\($0)': \(text)" } ?? text }

    /// All nodes of a process.
    ///
    /// - Parameter host: the process's own name, which its only node has when none is named.
    /// - Throws: ``DeploymentError`` for a name that cannot be used, or two nodes that are one to others.
    static func all(_ up: UpOptions, host: String) throws(DeploymentError) -> [NodePlan] {
        let names = up.options.kilonova.nodes
        guard !names.isEmpty else {
            return [NodePlan(name: nil, host: host, options: up.options, source: up.source)]
        }
        var plans: [NodePlan] = []
        for name in names {
            guard isName(name) else {
                throw refusal(
                    "'\(name)' cannot be the name of a node; use lower-case letters, digits, - and _, at most 63, a "
                        + "letter or digit first")
            }
            if plans.contains(where: { $0.name == name }) { throw refusal("'\(name)' is there twice") }
            let source = up.source.narrowed(toNode: name)
            let options: KilonovaOptions
            do {
                options = try KilonovaOptions(source)
            } catch {
                throw DeploymentError(.configuration, "\(error)")
            }
            // The process's own host name is not the nodes'.
            let own = source.nodeSays("DEFAULT", "host") ? options.node.host : nil
            let plan = NodePlan(name: name, host: own ?? name, options: options, source: source)
            if let other = plans.first(where: { $0.host == plan.host }) {
                throw refusal(
                    "'\(other.name ?? "")' and '\(name)' have one host name, '\(plan.host)'; give them different ones "
                        + "with [node:\(name)] host")
            }
            plans.append(plan)
        }
        if let stray = up.source.nodesWithGroups.first(where: { !names.contains($0) }) {
            throw refusal("there is a group [node:\(stray)], but '\(stray)' is not among the nodes")
        }
        return plans
    }

    private static func refusal(_ text: String) -> DeploymentError {
        DeploymentError(.configuration, "[kilonova] nodes: \(text)")
    }

    private static func isName(_ text: String) -> Bool {
        let inner = text.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_")
        }
        return inner && text.utf8.count <= 63 && text.first.map { $0 != "-" && $0 != "_" } ?? false
    }
}

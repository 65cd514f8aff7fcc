import WireJSON

/// How documents are shown to a caller.
struct ResourceView: Sendable {
    private let hidden: Set<String>
    private let fields: Set<String>
    private let isPort: Bool
    private let dnsDomain: String

    init(
        _ kind: ResourceKind, _ caller: Caller, _ options: NetworkStandInOptions,
        fields: Set<String> = []
    ) {
        let isPrivileged = kind.hasRights(caller)
        hidden = isPrivileged ? [] : Set(kind.attributes.attributes.filter(\.isHidden).map(\.name))
        self.fields = fields
        isPort = kind.member == "port"
        dnsDomain = options.dnsDomain
    }

    func show(_ document: JSONObject) -> JSONObject {
        var document = document
        if isPort { document.set("dns_assignment", .array(assignments(document))) }
        if hidden.isEmpty, fields.isEmpty { return document }
        return JSONObject(
            document.members.filter {
                !hidden.contains($0.key) && (fields.isEmpty || fields.contains($0.key))
            }
            .map { ($0.key, $0.value) })
    }

    private func assignments(_ port: JSONObject) -> [JSONValue] {
        let name = port.text("dns_name")
        return port.items("fixed_ips").map { entry in
            let address = entry["ip_address"]?.string ?? ""
            let dashed = String(address.map { $0 == "." || $0 == ":" ? "-" : $0 })
            let host = name.isEmpty ? "host-\(dashed)" : name
            return [
                "ip_address": .string(address), "hostname": .string(host),
                "fqdn": .string("\(host).\(dnsDomain)"),
            ]
        }
    }
}

import Database
import HTTPService
import WireJSON

/// What a list request asks for. Repeated values of one filter are alternatives; different filters all count.
struct ListQuery: Sendable {
    private let indexed: [(column: String, values: [String])]
    private let others: [(name: String, values: [String])]
    let fields: Set<String>
    private let sorting: [(key: String, isDescending: Bool)]
    private let limit: Int?
    private let marker: String?
    private let isReversed: Bool
    private let kind: ResourceKind

    /// A page of documents, and whether there are more after it.
    struct Page: Sendable {
        var items: [JSONObject]
        var hasMore = false
    }

    private static let tagFilters = ["tags", "tags-any", "not-tags", "not-tags-any"]

    init(_ query: HTTPQuery, _ kind: ResourceKind, pageMax: Int) throws {
        self.kind = kind
        var names: [String] = []
        for (name, _) in query where !names.contains(name) { names.append(name) }
        var (indexed, others): ([(String, [String])], [(String, [String])]) = ([], [])
        let textColumns =
            ["id", "project_id"]
            + kind.columns.filter { !["shared", "external"].contains($0.name) }
            .map(\.attribute)
        for name in names {
            let values = query.values(name)
            let attribute = name == "tenant_id" ? "project_id" : name
            if textColumns.contains(attribute), !values.contains("") || attribute.hasPrefix("device_") {
                indexed.append(
                    (kind.columns.first { $0.attribute == attribute }?.name ?? attribute, values))
            } else if kind.attributes[attribute] != nil || Self.tagFilters.contains(name) {
                others.append((attribute, values))
            }
        }
        (self.indexed, self.others) = (indexed, others)
        fields = Set(query.values("fields").filter { !$0.isEmpty })
        let directions = query.values("sort_dir")
        sorting = try query.values("sort_key").enumerated().map { index, key in
            guard kind.attributes[key] != nil || key == "project_id" || key == "tenant_id" else {
                throw NetworkFault.badRequest("\(key) is an invalid attribute for sort key")
            }
            return (key, directions.indices.contains(index) && directions[index] == "desc")
        }
        if let text = query["limit"] {
            guard let number = Int(text), number >= 0 else {
                throw NetworkFault.badRequest(
                    "Invalid input for limit. Reason: '\(text)' is not a non-negative integer.")
            }
            limit = number == 0 ? pageMax : min(number, pageMax)
        } else {
            limit = nil
        }
        marker = query["marker"]
        isReversed = query["page_reverse"]?.lowercased() == "true"
    }

    /// The part that the database answers.
    func condition(_ visibility: SQL?) -> SQL {
        var parts = indexed.map { filter -> SQL in "\(ident: filter.column) IN \(list: filter.values)" }
        if let visibility { parts.append(visibility) }
        return parts.isEmpty ? "1 = 1" : parts.joined(separator: " AND ")
    }

    /// The rest: further filters, order, page.
    func page(_ found: [JSONObject]) -> Page {
        var items =
            others.isEmpty
            ? found : found.filter { item in others.allSatisfy { matches(item, $0.name, $0.values) } }
        if !sorting.isEmpty { items.sort(by: isBefore) }
        if isReversed { items.reverse() }
        if let marker { items = Array(items.drop { $0.id != marker }.dropFirst()) }
        guard let limit, items.count > limit else {
            return Page(items: isReversed ? items.reversed() : items)
        }
        let part = Array(items.prefix(limit))
        return Page(items: isReversed ? part.reversed() : part, hasMore: true)
    }

    private func isBefore(_ left: JSONObject, _ right: JSONObject) -> Bool {
        for (key, isDescending) in sorting {
            let (a, b) = (left[key] ?? .null, right[key] ?? .null)
            if a == b { continue }
            let isLess =
                if let a = a.int, let b = b.int { a < b } else { Values.plain(a) < Values.plain(b) }
            return isLess != isDescending
        }
        return left.id < right.id
    }

    private func matches(_ item: JSONObject, _ name: String, _ values: [String]) -> Bool {
        let tags = Set(item.texts("tags"))
        let wanted = Set(values.flatMap { $0.split(separator: ",").map(String.init) })
        switch name {
        case "tags": return wanted.isSubset(of: tags)
        case "tags-any": return !wanted.isDisjoint(with: tags)
        case "not-tags": return !wanted.isSubset(of: tags)
        case "not-tags-any": return wanted.isDisjoint(with: tags)
        case "fixed_ips": return values.contains { fits(item, $0) }
        default: break
        }
        switch item[name] ?? .null {
        case .bool(let flag): return values.contains { (try? Values.bool(.string($0)))?.bool == flag }
        case .array(let members): return members.contains { values.contains(Values.plain($0)) }
        case .null: return values.contains("") || values.contains("None")
        case .string(let text): return values.contains(text)
        case .int(let number): return values.contains(String(number))
        case .double, .object: return false
        }
    }

    /// One filter on addresses: `ip_address=10.0.0.3`, `subnet_id=…`, `ip_address_substr=0.0`.
    private func fits(_ port: JSONObject, _ filter: String) -> Bool {
        let parts = filter.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return false }
        return port.items("fixed_ips").contains { entry in
            switch parts[0] {
            case "ip_address_substr": entry["ip_address"]?.string?.contains(parts[1]) ?? false
            default: entry[parts[0]]?.string == parts[1]
            }
        }
    }

    /// Links to the pages before and after, where pages were asked for.
    func links(_ page: Page, _ request: HTTPRequest, _ kind: ResourceKind) -> [JSONValue] {
        guard limit != nil, let first = page.items.first, let last = page.items.last else { return [] }
        func link(_ relation: String, _ marker: String, reversed: Bool) -> JSONValue {
            var parts = request.query.filter { $0.name != "marker" && $0.name != "page_reverse" }
                .map { "\(Self.escaped($0.name))=\(Self.escaped($0.value))" }
            parts.append("marker=\(marker)")
            if reversed { parts.append("page_reverse=True") }
            let path = request.absoluteURL(request.path)
            return ["rel": .string(relation), "href": .string("\(path)?\(parts.joined(separator: "&"))")]
        }
        var links: [JSONValue] = []
        if page.hasMore || isReversed { links.append(link("next", last.id, reversed: false)) }
        if isReversed ? page.hasMore : marker != nil {
            links.append(link("previous", first.id, reversed: true))
        }
        return links
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if scalar.isASCII,
                scalar.properties.isAlphabetic || (48...57).contains(byte)
                    || "-._~:".unicodeScalars.contains(scalar)
            {
                escaped.unicodeScalars.append(scalar)
            } else {
                escaped += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return escaped
    }
}

import ComputeModel
import Database
import HTTPService
import WireJSON

extension ImageAPI {
    func listImages(_ request: ImageRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        var query = try filters(request.http.query, caller)
        query.limit = try limit(request.http.query)
        query.sort = try sort(request.http.query)
        if let marker = request.http.query["marker"] {
            guard let id = ImageID(marker), let image = try await store.image(id), caller.sees(image) else {
                throw ImageFault.badRequest("Invalid marker: image \(marker) could not be found.")
            }
            query.marker = image
        }
        let (images, isMore) = try await store.images(query)
        var writer = JSONWriter(capacity: 1024 * (images.count + 1))
        writer.object { w in
            w.key("images")
            w.array { w in
                for image in images { image.write(to: &w) }
            }
            w.field("first", link(request, marker: nil))
            if isMore, let last = images.last { w.field("next", link(request, marker: "\(last.id)")) }
            w.field("schema", "/v2/schemas/images")
        }
        return .json(200, writer.bytes)
    }

    /// The list's own address, with another marker.
    private func link(_ request: ImageRequest, marker: String?) -> String {
        var pairs = request.http.query.filter { $0.name != "marker" }.map { ($0.name, $0.value) }
        if let marker { pairs.append(("marker", marker)) }
        guard !pairs.isEmpty else { return "/v2/images" }
        return "/v2/images?" + pairs.map { "\(Self.encoded($0.0))=\(Self.encoded($0.1))" }.joined(separator: "&")
    }

    private static func encoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: bytes.append(byte)
            default: bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func limit(_ query: HTTPQuery) throws -> Int {
        guard let text = query["limit"] else { return options.pageDefault }
        guard let limit = Int(text) else { throw ImageFault.badRequest("limit param must be an integer") }
        guard limit >= 0 else { throw ImageFault.badRequest("limit param must be positive") }
        return min(limit, options.pageMax)
    }

    private func sort(_ query: HTTPQuery) throws -> [(key: ImageQuery.SortKey, ascending: Bool)] {
        let (keys, directions) = (query.values("sort_key"), query.values("sort_dir"))
        var sort: [(key: ImageQuery.SortKey, ascending: Bool)] = []
        if let classic = query["sort"] {
            guard keys.isEmpty, directions.isEmpty else {
                throw ImageFault.badRequest("Old and new sorting syntax cannot be combined")
            }
            for part in classic.split(separator: ",") {
                let pieces = part.split(separator: ":", maxSplits: 1).map(\.trimmingBlanks)
                sort.append((try sortKey(pieces.first ?? ""), try isAscending(pieces.count > 1 ? pieces[1] : "desc")))
            }
        } else {
            guard directions.count <= 1 || directions.count == max(1, keys.count) else {
                throw ImageFault.badRequest("Number of sort dirs does not match the number of sort keys")
            }
            for (position, key) in (keys.isEmpty ? ["created_at"] : keys).enumerated() {
                let direction = directions.count > 1 ? directions[position] : directions.first ?? "desc"
                sort.append((try sortKey(key), try isAscending(direction)))
            }
        }
        // The order is total: whatever is equal is ordered by creation and identifier.
        let last = sort.last?.ascending ?? false
        for key in [ImageQuery.SortKey.createdAt, .id] where !sort.contains(where: { $0.key == key }) {
            sort.append((key, last))
        }
        return sort
    }

    private func sortKey(_ text: String) throws -> ImageQuery.SortKey {
        guard let key = ImageQuery.SortKey(rawValue: text) else {
            let known = ImageQuery.SortKey.allCases.map(\.rawValue).sorted().joined(separator: ", ")
            throw ImageFault.badRequest("Invalid sort key: \(text). It must be one of the following: \(known).")
        }
        return key
    }

    private func isAscending(_ text: String) throws -> Bool {
        guard text == "asc" || text == "desc" else {
            throw ImageFault.badRequest("Invalid sort direction: \(text). It must be one of the following: asc, desc.")
        }
        return text == "asc"
    }

    private func filters(_ query: HTTPQuery, _ caller: ImageCaller) throws -> ImageQuery {
        var conditions: [SQL] = []
        var visibility: ImageVisibility?
        var all = false
        var hidden = false
        for (name, value) in query {
            switch name {
            case "limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "fields": break
            case "visibility":
                all = value == "all"
                visibility = ImageVisibility(rawValue: value)
                guard all || visibility != nil else {
                    throw ImageFault.badRequest("Invalid visibility value: \(value)")
                }
            case "os_hidden": hidden = try bool(value, name)
            case "protected": conditions.append("protected = \(try bool(value, name))")
            case "name", "status", "id", "disk_format", "container_format":
                conditions.append(try Self.oneOf(name, value))
            case "owner", "checksum", "os_hash_value":
                let column = name == "os_hash_value" ? "hash_value" : name
                conditions.append("\(ident: column) = \(value)")
            case "os_hash_algo": conditions.append(value == "sha512" ? "hash_value IS NOT NULL" : "1 = 0")
            case "min_disk", "min_ram": conditions.append("\(ident: name) = \(try number(value, name))")
            case "size_min": conditions.append("size >= \(try number(value, name))")
            case "size_max": conditions.append("size <= \(try number(value, name))")
            case "created_at", "updated_at": conditions.append(try Self.moment(name, value))
            case "tag":
                conditions.append("EXISTS (SELECT 1 FROM image_tags t WHERE t.image = images.id AND t.tag = \(value))")
            default:
                conditions.append(
                    """
                    EXISTS (SELECT 1 FROM image_properties p
                        WHERE p.image = images.id AND p.name = \(name) AND p.value = \(value))
                    """)
            }
        }
        conditions.append("hidden = \(hidden)")
        conditions.append(caller.listed(visibility, all: all))
        return ImageQuery(conditions: conditions)
    }

    /// `value`, or `in:one,"two,three"`.
    private static func oneOf(_ name: String, _ value: String) throws -> SQL {
        guard value.hasPrefix("in:") else { return "\(ident: name) = \(value)" }
        var items: [String] = []
        var item = ""
        var isQuoted = false
        for character in value.dropFirst(3) {
            if character == "\"" {
                isQuoted.toggle()
            } else if character == ",", !isQuoted {
                items.append(item)
                item = ""
            } else {
                item.append(character)
            }
        }
        guard !isQuoted else { throw ImageFault.badRequest("Invalid filter value \(value). The quote is not closed.") }
        items.append(item)
        return "\(ident: name) IN \(list: items)"
    }

    /// `gt:2026-01-01T00:00:00Z`, or the moment alone.
    private static func moment(_ name: String, _ value: String) throws -> SQL {
        let (sign, text): (ImageQuery.Comparison, Substring) =
            if let colon = value.firstIndex(of: ":"),
                let sign = ImageQuery.Comparison(rawValue: String(value[..<colon]))
            {
                (sign, value[value.index(after: colon)...])
            } else {
                (.eq, value[...])
            }
        guard let moment = Timestamp(iso8601: text) else {
            throw ImageFault.badRequest("Invalid filter value \(value) for \(name): it is not a time in ISO 8601 form.")
        }
        // Answers show whole seconds, so that is what callers compare with.
        return "\(ident: name) / 1000000 \(sign.sign) \(moment.microseconds / 1_000_000)"
    }

    private func number(_ text: String, _ name: String) throws -> Int64 {
        guard let number = Int64(text), number >= 0 else {
            throw ImageFault.badRequest("Invalid value '\(text)' for parameter '\(name)': it must be an integer >= 0.")
        }
        return number
    }

    private func bool(_ text: String, _ name: String) throws -> Bool {
        switch text.lowercased() {
        case "true", "1": return true
        case "false", "0": return false
        default: throw ImageFault.badRequest("Invalid value '\(text)' for '\(name)': it must be 'true' or 'false'.")
        }
    }
}

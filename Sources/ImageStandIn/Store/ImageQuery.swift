import ComputeModel
import Database

/// Which images a list shows, and in what order.
struct ImageQuery: Sendable {
    /// A column that lists may be sorted by.
    enum SortKey: String, Sendable, CaseIterable {
        case name, status, id, size
        case containerFormat = "container_format"
        case diskFormat = "disk_format"
        case createdAt = "created_at"
        case updatedAt = "updated_at"

        /// The column without nulls, so that a marker can be compared.
        var column: SQL {
            switch self {
            case .id, .status, .createdAt, .updatedAt: "\(ident: rawValue)"
            case .size: "COALESCE(size, -1)"
            case .name, .containerFormat, .diskFormat: "COALESCE(\(ident: rawValue), '')"
            }
        }

        func value(of image: ImageRecord) -> SQLValue {
            switch self {
            case .name: (image.name ?? "").sqlValue
            case .status: image.status.rawValue.sqlValue
            case .id: image.id.description.sqlValue
            case .size: (image.size ?? -1).sqlValue
            case .containerFormat: (image.containerFormat ?? "").sqlValue
            case .diskFormat: (image.diskFormat ?? "").sqlValue
            case .createdAt: image.createdAt.microseconds.sqlValue
            case .updatedAt: image.updatedAt.microseconds.sqlValue
            }
        }
    }

    /// How two values are compared.
    enum Comparison: String, Sendable {
        case gt, gte, lt, lte, eq, neq

        var sign: SQL {
            switch self {
            case .gt: ">"
            case .gte: ">="
            case .lt: "<"
            case .lte: "<="
            case .eq: "="
            case .neq: "<>"
            }
        }
    }

    /// All must hold.
    var conditions: [SQL] = []
    var sort: [(key: SortKey, ascending: Bool)] = [(.createdAt, false), (.id, false)]
    /// The image after which the list begins.
    var marker: ImageRecord?
    var limit: Int = 25

    var order: SQL {
        sort.map { "\($0.key.column) \(raw: $0.ascending ? "ASC" : "DESC")" as SQL }.joined(separator: ", ")
    }

    /// True for what follows the marker in the order of the list.
    var afterMarker: SQL? {
        guard let marker else { return nil }
        var branches: [SQL] = []
        for (position, last) in sort.enumerated() {
            var parts = sort[..<position].map { "\($0.key.column) = \($0.key.value(of: marker))" as SQL }
            parts.append("\(last.key.column) \(raw: last.ascending ? ">" : "<") \(last.key.value(of: marker))")
            branches.append("(\(parts.joined(separator: " AND ")))")
        }
        return "(\(branches.joined(separator: " OR ")))"
    }
}

extension ImageStore {
    /// The images of a query, and whether more follow.
    func images(_ query: ImageQuery) async throws -> (images: [ImageRecord], isMore: Bool) {
        var conditions = query.conditions
        if let after = query.afterMarker { conditions.append(after) }
        let condition = conditions.isEmpty ? "1 = 1" : conditions.joined(separator: " AND ")
        let statement: SQL = """
            SELECT \(Self.columns) FROM images WHERE \(condition) ORDER BY \(query.order) LIMIT \(query.limit + 1)
            """
        let found = try await database.read { try Self.records(statement, $0) }
        return (Array(found.prefix(query.limit)), query.limit > 0 && found.count > query.limit)
    }
}

/// The tables of a database, in terms that all engines share, so that schemas of different engines can be compared.
package struct DatabaseSchema: Sendable, Hashable {
    /// What a column holds.
    package enum Kind: Sendable, Hashable, CustomStringConvertible {
        case integer
        case real
        /// Up to so many characters.
        case shortText(Int)
        case text
        case bytes
        case moment
        /// As the engine calls it.
        case other(String)

        package var description: String {
            switch self {
            case .integer: "integer"
            case .real: "real"
            case .shortText(let length): "text(\(length))"
            case .text: "text"
            case .bytes: "bytes"
            case .moment: "moment"
            case .other(let name): name
            }
        }
    }

    package struct Column: Sendable, Hashable {
        package var name: String
        package var kind: Kind
        package var isRequired: Bool
        /// Whether the engine numbers the rows in it.
        package var isCounter = false
    }

    /// Columns that are unique together, or are found quickly.
    package struct Index: Sendable, Hashable {
        package var columns: [String]
        package var isUnique: Bool
    }

    package struct Reference: Sendable, Hashable {
        package var columns: [String]
        package var table: String
        package var target: [String]
    }

    package struct Table: Sendable, Hashable {
        package var name: String
        /// In their order in the table.
        package var columns: [Column] = []
        package var primaryKey: [String] = []
        package var indexes: Set<Index> = []
        package var references: Set<Reference> = []
    }

    /// By name.
    package var tables: [String: Table] = [:]

    /// The schema as lines in a fixed order, for comparison by people.
    package var text: String {
        tables.values.sorted { $0.name < $1.name }.flatMap(\.lines).joined(separator: "\n")
    }

    /// The names of the tables, each after those that it refers to.
    package var tablesInOrder: [String] {
        var order: [String] = []
        var rest = tables.keys.sorted()
        while !rest.isEmpty {
            let free = rest.filter { name in
                (tables[name]?.references ?? []).allSatisfy { $0.table == name || !rest.contains($0.table) }
            }
            // Tables that refer to one another cannot be put into an order.
            let next = free.isEmpty ? rest : free
            order += next
            rest.removeAll { next.contains($0) }
        }
        return order
    }
}

extension DatabaseSchema.Table {
    fileprivate var lines: [String] {
        var lines = columns.map { column in
            let marks = (column.isRequired ? " required" : "") + (column.isCounter ? " counter" : "")
            return "\(name).\(column.name) \(column.kind)\(marks)"
        }
        lines.append("\(name) key \(primaryKey.joined(separator: " "))")
        lines += indexes.map { index in
            "\(name) \(index.isUnique ? "unique" : "index") \(index.columns.joined(separator: " "))"
        }.sorted()
        lines += references.map { reference in
            "\(name) \(reference.columns.joined(separator: " ")) refers to \(reference.table) "
                + reference.target.joined(separator: " ")
        }.sorted()
        return lines
    }

    /// Takes an index unless it is the primary key, which stands apart.
    mutating func add(_ index: DatabaseSchema.Index) {
        if index.columns != primaryKey { indexes.insert(index) }
    }
}

extension SQLDatabase {
    /// The tables as they are.
    package func schema() async throws -> DatabaseSchema { try await read { try $0.engine.schema() } }
}

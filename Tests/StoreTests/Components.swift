import ComputeStore
import Database
import DatabaseServers
import IdentityStandIn
import ImageStandIn
import Logging
import NetworkStandIn
import Placement

/// The tables of one database of a deployment.
enum Component: String, CaseIterable, Sendable {
    /// The compute services and placement, which share one.
    case compute
    case identity
    case image
    case network

    var histories: [SchemaHistory] {
        switch self {
        case .compute: [ComputeStore.history, PlacementMigrations.history]
        case .identity: [IdentityStore.history]
        case .image: [ImageStore.history]
        case .network: [NetworkSchema.history]
        }
    }

    static let all = allCases.flatMap(\.histories)
}

/// An empty database.
func open(_ engine: TestEngine) async throws -> SQLDatabase {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try await SQLDatabase.open(url: try await engine.newDatabase(), options: DatabaseOptions(logger: logger))
}

/// A database with a component's tables.
func make(_ component: Component, _ engine: TestEngine) async throws -> SQLDatabase {
    let database = try await open(engine)
    for history in component.histories { try await database.sync(history) }
    return database
}

/// Rows of all kinds in every table of a component, made from the schema alone.
struct Filling {
    let schema: DatabaseSchema
    private(set) var rows: [String: [[SQLValue]]] = [:]
    static let rowsPerTable = 9

    /// Texts that some engine might take for equal, cut or order otherwise.
    private static let texts = ["a", "A", "a ", "ä", "", "🚀", "x'; --", "\\%_", "ß"]

    init(of schema: DatabaseSchema, except own: Set<String> = ["schema_migrations", "turns", "placement_state"]) {
        self.schema = schema
        for name in schema.tablesInOrder where !own.contains(name) {
            guard let table = schema.tables[name] else { continue }
            rows[name] = (0..<Self.rowsPerTable).map { row in
                table.columns.map { value($0, of: table, row) }
            }
        }
    }

    private func value(_ column: DatabaseSchema.Column, of table: DatabaseSchema.Table, _ row: Int) -> SQLValue {
        if let reference = table.references.first(where: { $0.columns == [column.name] }),
            let target = schema.tables[reference.table], let known = rows[reference.table],
            let place = target.columns.firstIndex(where: { $0.name == reference.target.first })
        {
            return known[row][place]
        }
        if !column.isRequired, row % 3 == 2 { return .null }
        switch column.kind {
        case .integer:
            if column.isCounter { return .integer(Int64(row * 7 + 3)) }
            return .integer(row == 0 ? .max - 1 : row == 1 ? .min + 1 : Int64(row) * 1_000_003)
        case .real: return .real([0, 1, -1.5, 1e300, 0.1, 3, 16.0, 2.5e-8, 7][row])
        case .shortText(let length): return .text(String("\(Self.texts[row])\(row)".prefix(length)))
        case .text: return .text(Self.texts[row] + String(repeating: "long ", count: row * 20_000))
        case .bytes: return .blob([UInt8(row), 0, 255, 10, 39, 92])
        case .moment, .other: return .null
        }
    }

    func insert(into database: SQLDatabase) async throws {
        let (schema, rows) = (schema, rows)
        try await database.transaction { connection in
            for name in schema.tablesInOrder {
                for row in rows[name] ?? [] {
                    let names = schema.tables[name]?.columns.map(\.name) ?? []
                    try connection.execute("INSERT INTO \(ident: name) (\(idents: names)) VALUES (\(values: row))")
                }
            }
        }
    }

    /// All rows of these tables as the database has them, in an order of their own.
    func read(from database: SQLDatabase) async throws -> [String: [[SQLValue]]] {
        let schema = schema
        let names = Array(rows.keys)
        return try await database.read { connection in
            var found: [String: [[SQLValue]]] = [:]
            for name in names {
                let columns = schema.tables[name]?.columns.map(\.name) ?? []
                found[name] = try connection.map("SELECT \(idents: columns) FROM \(ident: name)") { $0.values }
            }
            return found.mapValues { $0.sorted { "\($0)" < "\($1)" } }
        }
    }

    var sorted: [String: [[SQLValue]]] { rows.mapValues { $0.sorted { "\($0)" < "\($1)" } } }
}

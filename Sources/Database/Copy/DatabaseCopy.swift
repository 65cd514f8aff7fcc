import Glibc

/// Carries everything from one database to an empty one, of whatever engines.
///
/// The source is read as of one moment. When anything fails, the target is emptied again. At the end every table of the
/// target is read back and compared with what was sent.
package struct DatabaseCopy: Sendable {
    package let source: SQLDatabase
    package let target: SQLDatabase
    /// What is known of tables; the source may have those of some of them only.
    package let histories: [SchemaHistory]

    /// Rows that go in one transaction.
    private static let batchMax = 500

    package init(from source: SQLDatabase, to target: SQLDatabase, histories: [SchemaHistory]) {
        (self.source, self.target, self.histories) = (source, target, histories)
    }

    /// Copies, and returns how many rows of each table there are.
    ///
    /// - Throws: ``DatabaseError``; then the target holds no rows.
    package func run() async throws -> [String: Int] {
        let present = try await presentHistories()
        try await makeSchema(present)
        let schema = try await source.schema()
        let order = schema.tablesInOrder.filter { !SQLDatabase.ownTableNames.contains($0) }
        try await requireSameTables(schema, order)
        try await requireEmpty(order, seeded: Set(present.flatMap(\.seededTables)))
        do {
            let sent = try await send(order, schema)
            for table in order {
                guard let definition = schema.tables[table] else { continue }
                let arrived = try await target.read { try TableDigest(of: definition, $0) }
                guard arrived == sent[table] else {
                    throw DatabaseError.corrupt("table \(table) of the database \(target.name) is not what was sent: "
                        + "\(sent[table]?.count ?? 0) rows were sent and \(arrived.count) came back")
                }
            }
            return sent.mapValues(\.count)
        } catch {
            try? await empty(order)
            throw error
        }
    }

    // MARK: - Before

    private func presentHistories() async throws -> [SchemaHistory] {
        guard let records = try await source.records(), !records.isEmpty else {
            throw DatabaseError.migration("the database \(source.name) has no schema of this program; "
                + "is it the right one?")
        }
        let components = Set(records.map(\.component))
        if let stranger = components.subtracting(histories.map(\.component)).sorted().first {
            throw DatabaseError.migration("the database \(source.name) holds \"\(stranger)\", which this version does "
                + "not know; copy it with the version that wrote it")
        }
        let present = histories.filter { components.contains($0.component) }
        for history in present { try await source.verify(history) }
        return present
    }

    private func makeSchema(_ present: [SchemaHistory]) async throws {
        for history in present { try await target.sync(history) }
    }

    private func requireSameTables(_ schema: DatabaseSchema, _ order: [String]) async throws {
        let others = try await target.schema()
        for table in order {
            let wanted = schema.tables[table]?.columns.map(\.name)
            guard others.tables[table]?.columns.map(\.name) != wanted else { continue }
            throw DatabaseError.migration("table \(table) has other columns in \(target.name) than in \(source.name)")
        }
    }

    private func requireEmpty(_ order: [String], seeded: Set<String>) async throws {
        let full = try await target.read { connection in
            try order.first { table in
                guard !seeded.contains(table) else { return false }
                return try connection.first("SELECT 1 FROM \(ident: table) LIMIT 1") { _ in true } ?? false
            }
        }
        guard let full else { return }
        throw DatabaseError.migration("the database \(target.name) already has rows in table \(full); "
            + "give an empty database to copy to")
    }

    // MARK: - Rows

    private func send(_ order: [String], _ schema: DatabaseSchema) async throws -> [String: TableDigest] {
        let target = target
        try await empty(order)
        return try await source.read { connection in
            var sent: [String: TableDigest] = [:]
            for name in order {
                guard let table = schema.tables[name] else { continue }
                var digest = TableDigest()
                var batch: [[SQLValue]] = []
                func pass() throws {
                    let rows = batch
                    batch = []
                    try Blocking.run { try await Self.write(rows, table, target) }
                }
                try connection.forEach(table.selection) { row in
                    digest.add(row.values)
                    batch.append(row.values)
                    if batch.count == Self.batchMax { try pass() }
                }
                if !batch.isEmpty { try pass() }
                if let counter = table.columns.first(where: \.isCounter) {
                    let last = try RowCounter(table: name, column: counter.name).last(connection)
                    try Blocking.run {
                        try await target.transaction {
                            try RowCounter(table: name, column: counter.name).set(last, $0)
                        }
                    }
                }
                sent[name] = digest
            }
            return sent
        }
    }

    private static func write(_ rows: [[SQLValue]], _ table: DatabaseSchema.Table, _ target: SQLDatabase) async throws {
        do {
            try await target.transaction { connection in
                for row in rows {
                    let names = table.columns.map(\.name)
                    try connection.execute(
                        "INSERT INTO \(ident: table.name) (\(idents: names)) VALUES (\(values: row))")
                }
            }
        } catch let error as DatabaseError {
            guard case .constraint(var failure) = error else { throw error }
            failure.message = "a row of table \(table.name) does not fit into \(target.name): \(failure.message)"
            throw DatabaseError.constraint(failure)
        }
    }

    private func empty(_ order: [String]) async throws {
        try await target.transaction { connection in
            for table in order.reversed() { try connection.execute("DELETE FROM \(ident: table)") }
        }
    }
}

extension DatabaseSchema.Table {
    /// All rows, in any order.
    fileprivate var selection: SQL { "SELECT \(idents: columns.map(\.name)) FROM \(ident: name)" }
}

/// What a table holds, whatever the order of its rows.
struct TableDigest: Hashable, Sendable {
    private(set) var count = 0
    private var sum: UInt64 = 0

    init() {}

    init(of table: DatabaseSchema.Table, _ connection: SQLConnection) throws {
        try connection.forEach(table.selection) { add($0.values) }
    }

    /// FNV-1a over the row, added up over all rows.
    mutating func add(_ row: [SQLValue]) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        func mix(_ number: UInt64) {
            for shift in stride(from: UInt64(0), to: 64, by: 8) { mix(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        for value in row {
            switch value {
            case .null: mix(UInt8(0))
            case .integer(let number):
                mix(UInt8(1))
                mix(UInt64(bitPattern: number))
            case .real(let number):
                mix(UInt8(2))
                mix(number.bitPattern)
            case .text(let text):
                mix(UInt8(3))
                text.utf8.forEach(mix)
                mix(UInt64(text.utf8.count))
            case .blob(let bytes):
                mix(UInt8(4))
                bytes.forEach(mix)
                mix(UInt64(bytes.count))
            }
        }
        count += 1
        sum = sum &+ hash
    }
}

/// The number that a table gave out last; numbers of rows that are gone are never given out again.
private struct RowCounter: Sendable {
    let table: String
    let column: String

    func last(_ connection: SQLConnection) throws -> Int64 {
        let question: SQL =
            switch connection.dialect {
            case .sqlite: "SELECT seq FROM sqlite_sequence WHERE name = \(table)"
            case .mariadb:
                """
                SELECT auto_increment - 1 FROM information_schema.tables
                WHERE table_schema = DATABASE() AND table_name = \(table)
                """
            case .postgresql:
                "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence(\(table), \(column)) AS regclass))"
            }
        let found = try connection.first(question) { try $0.optionalInt64(0) ?? 0 }
        return found ?? 0
    }

    func set(_ last: Int64, _ connection: SQLConnection) throws {
        guard last > 0 else { return }
        switch connection.dialect {
        case .sqlite:
            try connection.execute("DELETE FROM sqlite_sequence WHERE name = \(table)")
            try connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (\(table), \(last))")
        case .mariadb:
            try connection.execute("ALTER TABLE \(ident: table) AUTO_INCREMENT = \(raw: "\(last + 1)")")
        case .postgresql:
            try connection.execute("SELECT setval(pg_get_serial_sequence(\(table), \(column)), \(last))")
        }
    }
}

/// Lets a database's own thread wait for work of another database.
private enum Blocking {
    /// `@unchecked Sendable`: `semaphore` is made for several threads; `error` is written before and read after it.
    private final class Outcome: @unchecked Sendable {
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        var error: (any Error)?
        init() { sem_init(semaphore, 0, 0) }
        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }
    }

    static func run(_ body: @escaping @Sendable () async throws -> Void) throws {
        let outcome = Outcome()
        Task {
            do { try await body() } catch { outcome.error = error }
            sem_post(outcome.semaphore)
        }
        while sem_wait(outcome.semaphore) != 0 {}
        if let error = outcome.error { throw error }
    }
}

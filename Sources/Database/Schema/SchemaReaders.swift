/// Reads the schema of an SQLite database from its pragmas.
struct SQLiteSchemaReader {
    let connection: SQLiteConnection

    func read() throws -> DatabaseSchema {
        var schema = DatabaseSchema()
        let tables = try texts(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        let counted = try counters()
        for name in tables {
            var table = DatabaseSchema.Table(name: name)
            var key: [Int64: String] = [:]
            try connection.run(
                "SELECT name, type, \"notnull\", pk FROM pragma_table_info(\(name)) ORDER BY cid"
            ) { row in
                let position = try row.int64(3)
                let column = try row.string(0)
                if position > 0 { key[position] = column }
                table.columns.append(DatabaseSchema.Column(
                    name: column, kind: Self.kind(try row.string(1)),
                    isRequired: try row.bool(2) || position > 0, isCounter: position > 0 && counted.contains(name)))
            }
            table.primaryKey = key.sorted { $0.key < $1.key }.map(\.value)
            try readIndexes(&table)
            try readReferences(&table)
            schema.tables[name] = table
        }
        return schema
    }

    private func texts(_ sql: SQL) throws -> [String] {
        var texts: [String] = []
        try connection.run(sql) { texts.append(try $0.string(0)) }
        return texts
    }

    private func counters() throws -> Set<String> {
        Set(try texts("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"))
    }

    private func readIndexes(_ table: inout DatabaseSchema.Table) throws {
        var found: [(String, Bool)] = []
        try connection.run("SELECT name, \"unique\" FROM pragma_index_list(\(table.name))") {
            found.append((try $0.string(0), try $0.bool(1)))
        }
        for (name, isUnique) in found {
            let columns = try texts("SELECT name FROM pragma_index_info(\(name)) ORDER BY seqno")
            table.add(DatabaseSchema.Index(columns: columns, isUnique: isUnique))
        }
    }

    private func readReferences(_ table: inout DatabaseSchema.Table) throws {
        var found: [Int64: DatabaseSchema.Reference] = [:]
        try connection.run(
            "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(\(table.name)) ORDER BY id, seq"
        ) { row in
            let id = try row.int64(0)
            let target = try row.string(1)
            found[id, default: DatabaseSchema.Reference(columns: [], table: target, target: [])].columns
                .append(try row.string(2))
            found[id]?.target.append(try row.string(3))
        }
        table.references = Set(found.values)
    }

    private static func kind(_ type: String) -> DatabaseSchema.Kind {
        let type = type.uppercased()
        if type.hasPrefix("VARCHAR("), let length = Int(type.dropFirst(8).prefix { $0 != ")" }) {
            return .shortText(length)
        }
        switch type {
        case "INTEGER", "BIGINT": return .integer
        case "DOUBLE PRECISION", "REAL": return .real
        case "TEXT": return .text
        case "BLOB": return .bytes
        case "TIMESTAMP": return .moment
        default: return .other(type)
        }
    }
}

/// Reads the schema of a MariaDB database from the tables that describe it.
struct MariaDBSchemaReader {
    let connection: MariaDBConnection

    func read() throws -> DatabaseSchema {
        var schema = DatabaseSchema()
        try connection.run("""
            SELECT t.table_name, c.column_name, c.data_type, c.character_maximum_length, c.is_nullable, c.extra
            FROM information_schema.tables t JOIN information_schema.columns c
                ON c.table_schema = t.table_schema AND c.table_name = t.table_name
            WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE'
            ORDER BY t.table_name, c.ordinal_position
            """
        ) { row in
            let name = try row.string(0)
            schema.tables[name, default: DatabaseSchema.Table(name: name)].columns.append(DatabaseSchema.Column(
                name: try row.string(1), kind: Self.kind(try row.string(2), try row.optionalInt(3)),
                isRequired: try row.string(4) == "NO", isCounter: try row.string(5).contains("auto_increment")))
        }
        try readIndexes(&schema)
        try readReferences(&schema)
        return schema
    }

    private func readIndexes(_ schema: inout DatabaseSchema) throws {
        var found: [[String]: DatabaseSchema.Index] = [:]
        try connection.run("""
            SELECT table_name, index_name, column_name, non_unique FROM information_schema.statistics
            WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index
            """
        ) { row in
            let isUnique = try row.int(3) == 0
            let place = [try row.string(0), try row.string(1)]
            found[place, default: DatabaseSchema.Index(columns: [], isUnique: isUnique)].columns
                .append(try row.string(2))
        }
        for (place, index) in found where place[1] == "PRIMARY" {
            schema.tables[place[0]]?.primaryKey = index.columns
        }
        for (place, index) in found where place[1] != "PRIMARY" { schema.tables[place[0]]?.add(index) }
    }

    private func readReferences(_ schema: inout DatabaseSchema) throws {
        var found: [[String]: DatabaseSchema.Reference] = [:]
        try connection.run("""
            SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name
            FROM information_schema.key_column_usage
            WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL
            ORDER BY table_name, constraint_name, ordinal_position
            """
        ) { row in
            let target = try row.string(3)
            let place = [try row.string(0), try row.string(1)]
            found[place, default: DatabaseSchema.Reference(columns: [], table: target, target: [])].columns
                .append(try row.string(2))
            found[place]?.target.append(try row.string(4))
        }
        for (place, reference) in found {
            schema.tables[place[0]]?.references.insert(reference)
            // The engine makes an index for each reference that has none.
            let own = DatabaseSchema.Index(columns: reference.columns, isUnique: false)
            let isNamedSo = try isIndex(place[1], of: place[0])
            if isNamedSo { schema.tables[place[0]]?.indexes.remove(own) }
        }
    }

    private func isIndex(_ name: String, of table: String) throws -> Bool {
        var isThere = false
        try connection.run("""
            SELECT 1 FROM information_schema.statistics
            WHERE table_schema = DATABASE() AND table_name = \(table) AND index_name = \(name)
            """) { _ in isThere = true }
        return isThere
    }

    private static func kind(_ type: String, _ length: Int?) -> DatabaseSchema.Kind {
        switch type {
        case "bigint", "int": .integer
        case "double": .real
        case "varchar": .shortText(length ?? 0)
        case "mediumtext", "longtext": .text
        case "longblob", "varbinary": .bytes
        case "datetime": .moment
        default: .other(type)
        }
    }
}

/// Reads the schema of a PostgreSQL database from its catalog: the tables that are found without naming a schema.
struct PostgreSQLSchemaReader {
    let connection: PostgreSQLConnection

    func read() throws -> DatabaseSchema {
        var schema = DatabaseSchema()
        try connection.run("""
            SELECT c.relname, a.attname, CAST(t.typname AS TEXT), a.atttypmod, a.attnotnull, a.attidentity <> ''
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            JOIN pg_type t ON t.oid = a.atttypid
            WHERE c.relkind = 'r' AND c.relnamespace = CAST(current_schema() AS regnamespace)
            ORDER BY c.relname, a.attnum
            """
        ) { row in
            let name = try row.string(0)
            schema.tables[name, default: DatabaseSchema.Table(name: name)].columns.append(DatabaseSchema.Column(
                name: try row.string(1), kind: Self.kind(try row.string(2), try row.int(3) - 4),
                isRequired: try row.bool(4), isCounter: try row.bool(5)))
        }
        var indexes: [(String, Bool, DatabaseSchema.Index)] = []
        try connection.run("""
            SELECT c.relname, i.indisprimary, i.indisunique, string_agg(CAST(a.attname AS TEXT), ' ' ORDER BY k.place)
            FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY AS k (number, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
            WHERE c.relnamespace = CAST(current_schema() AS regnamespace) GROUP BY c.relname, i.indexrelid, 2, 3
            """
        ) { row in
            let columns = try row.string(3).split(separator: " ").map(String.init)
            indexes.append((
                try row.string(0), try row.bool(1),
                DatabaseSchema.Index(columns: columns, isUnique: try row.bool(2))
            ))
        }
        for (table, isPrimary, index) in indexes where isPrimary { schema.tables[table]?.primaryKey = index.columns }
        for (table, isPrimary, index) in indexes where !isPrimary { schema.tables[table]?.add(index) }
        try readReferences(&schema)
        return schema
    }

    private func readReferences(_ schema: inout DatabaseSchema) throws {
        try connection.run("""
            SELECT c.relname, f.relname, string_agg(CAST(a.attname AS TEXT), ' ' ORDER BY k.place),
                string_agg(CAST(b.attname AS TEXT), ' ' ORDER BY k.place)
            FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid JOIN pg_class f ON f.oid = r.confrelid
            CROSS JOIN LATERAL unnest(r.conkey, r.confkey) WITH ORDINALITY AS k (here, there, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.here
            JOIN pg_attribute b ON b.attrelid = f.oid AND b.attnum = k.there
            WHERE r.contype = 'f' AND c.relnamespace = CAST(current_schema() AS regnamespace)
            GROUP BY c.relname, f.relname, r.oid
            """
        ) { row in
            schema.tables[try row.string(0)]?.references.insert(DatabaseSchema.Reference(
                columns: try row.string(2).split(separator: " ").map(String.init), table: try row.string(1),
                target: try row.string(3).split(separator: " ").map(String.init)))
        }
    }

    private static func kind(_ type: String, _ length: Int) -> DatabaseSchema.Kind {
        switch type {
        case "int8", "int4": .integer
        case "float8": .real
        case "varchar": .shortText(length)
        case "text": .text
        case "bytea": .bytes
        case "timestamp": .moment
        default: .other(type)
        }
    }
}

/// One row of an answer; its values are copies and outlive the statement.
///
/// Columns are read by position, in the order of the `SELECT`. The typed getters throw
/// ``DatabaseError/decoding(_:)`` when the column is missing, null or of another kind.
package struct SQLRow: Sendable {
    /// All values, in the order of the columns.
    package let values: [SQLValue]

    /// The number of columns.
    package var count: Int { values.count }

    /// The value of that column. The column must exist.
    package subscript(column: Int) -> SQLValue { values[column] }

    package func isNull(_ column: Int) throws(DatabaseError) -> Bool {
        try value(column) == .null
    }

    package func int64(_ column: Int) throws(DatabaseError) -> Int64 {
        guard case .integer(let number) = try value(column) else { throw mismatch(column, "an integer") }
        return number
    }

    package func int(_ column: Int) throws(DatabaseError) -> Int {
        Int(try int64(column))
    }

    /// An integer column as a Boolean: 0 is false, everything else true.
    package func bool(_ column: Int) throws(DatabaseError) -> Bool {
        try int64(column) != 0
    }

    /// A real column; an integer is taken too, because engines return whole numbers so.
    package func double(_ column: Int) throws(DatabaseError) -> Double {
        switch try value(column) {
        case .real(let number): return number
        case .integer(let number): return Double(number)
        case .null, .text, .blob: throw mismatch(column, "a real number")
        }
    }

    package func string(_ column: Int) throws(DatabaseError) -> String {
        guard case .text(let text) = try value(column) else { throw mismatch(column, "text") }
        return text
    }

    package func blob(_ column: Int) throws(DatabaseError) -> [UInt8] {
        guard case .blob(let bytes) = try value(column) else { throw mismatch(column, "bytes") }
        return bytes
    }

    package func optionalInt64(_ column: Int) throws(DatabaseError) -> Int64? {
        try isNull(column) ? nil : try int64(column)
    }

    package func optionalInt(_ column: Int) throws(DatabaseError) -> Int? {
        try isNull(column) ? nil : try int(column)
    }

    package func optionalBool(_ column: Int) throws(DatabaseError) -> Bool? {
        try isNull(column) ? nil : try bool(column)
    }

    package func optionalDouble(_ column: Int) throws(DatabaseError) -> Double? {
        try isNull(column) ? nil : try double(column)
    }

    package func optionalString(_ column: Int) throws(DatabaseError) -> String? {
        try isNull(column) ? nil : try string(column)
    }

    package func optionalBlob(_ column: Int) throws(DatabaseError) -> [UInt8]? {
        try isNull(column) ? nil : try blob(column)
    }

    private func value(_ column: Int) throws(DatabaseError) -> SQLValue {
        guard values.indices.contains(column) else {
            throw .decoding("column \(column) was read from a row of \(values.count) columns")
        }
        return values[column]
    }

    private func mismatch(_ column: Int, _ wanted: String) -> DatabaseError {
        .decoding("column \(column) holds \(values[column].kindName) where \(wanted) was expected")
    }
}

/// What a statement did.
package struct SQLResult: Sendable, Hashable {
    /// Rows inserted, updated or deleted by the statement itself, without those of triggers and cascades. An updated
    /// row counts also when it is as before.
    package var rowsChanged: Int}

import CMariaDB

/// A prepared statement of MariaDB with room for its values, closed when nobody refers to it any more.
final class MariaDBStatement: CachedStatement {
    enum Fetched {
        case row
        case end
        case failed
    }

    /// How a column comes and what it becomes.
    private enum Kind {
        case integer
        case real
        case decimal
        case text
        case blob
    }

    let handle: UnsafeMutablePointer<MYSQL_STMT>
    var isInUse = true
    var lastUse: UInt64 = 0
    private(set) var parameterCount = 0
    private var parameters: UnsafeMutablePointer<MYSQL_BIND>?
    private var numbers: UnsafeMutablePointer<UInt64>?
    private var bytes = Room()

    private var kinds: [Kind] = []
    private var columns: UnsafeMutablePointer<MYSQL_BIND>?
    private var lengths: UnsafeMutablePointer<UInt>?
    private var nulls: UnsafeMutablePointer<my_bool>?
    private var offsets: [Int] = []
    private var row = Room()

    init(handle: UnsafeMutablePointer<MYSQL_STMT>) {
        self.handle = handle
    }

    deinit {
        mysql_stmt_close(handle)
        parameters?.deallocate()
        numbers?.deallocate()
        columns?.deallocate()
        lengths?.deallocate()
        nulls?.deallocate()
        bytes.free()
        row.free()
    }

    /// Once, after it was prepared.
    func learnParameters() {
        parameterCount = Int(mysql_stmt_param_count(handle))
        parameters = .allocate(capacity: max(1, parameterCount))
        numbers = .allocate(capacity: max(1, parameterCount))
        var isWanted: my_bool = 1
        mysql_stmt_attr_set(handle, STMT_ATTR_UPDATE_MAX_LENGTH, &isWanted)
    }

    /// Makes it ready for its next use.
    func finish() {
        mysql_stmt_free_result(handle)
        isInUse = false
    }

    // MARK: - Values

    /// Binds as many values as there are parameters. Returns how many bytes of text and blobs they have.
    func bind(_ values: [SQLValue]) -> Int {
        guard let parameters, let numbers, parameterCount > 0 else { return 0 }
        let size = values.reduce(0) { $0 + $1.byteCount }
        bytes.reserve(size)
        var end = 0
        for (index, value) in values.enumerated() {
            var bind = MYSQL_BIND()
            switch value {
            case .null: bind.buffer_type = MYSQL_TYPE_NULL
            case .integer(let number):
                numbers[index] = UInt64(bitPattern: number)
                bind.buffer_type = MYSQL_TYPE_LONGLONG
                bind.buffer = UnsafeMutableRawPointer(numbers + index)
            case .real(let number):
                numbers[index] = number.bitPattern
                bind.buffer_type = MYSQL_TYPE_DOUBLE
                bind.buffer = UnsafeMutableRawPointer(numbers + index)
            case .text(var text):
                bind.buffer_type = MYSQL_TYPE_STRING
                bind.buffer = bytes.start + end
                bind.buffer_length = text.withUTF8 { bytes.copy(UnsafeRawBufferPointer($0), to: end) }
                end += Int(bind.buffer_length)
            case .blob(let blob):
                bind.buffer_type = MYSQL_TYPE_LONG_BLOB
                bind.buffer = bytes.start + end
                bind.buffer_length = blob.withUnsafeBytes { bytes.copy($0, to: end) }
                end += Int(bind.buffer_length)
            }
            parameters[index] = bind
        }
        mysql_stmt_bind_param(handle, parameters)
        return size
    }

    // MARK: - Rows

    /// Whether it gives rows.
    var hasRows: Bool { mysql_stmt_field_count(handle) > 0 }

    /// Takes over all rows and makes room for the longest. False when the connection failed.
    func storeRows() throws(DatabaseError) -> Bool {
        guard mysql_stmt_store_result(handle) == 0 else { return false }
        guard let metadata = mysql_stmt_result_metadata(handle) else { return false }
        defer { mysql_free_result(metadata) }
        let count = Int(mysql_num_fields(metadata))
        guard let fields = mysql_fetch_fields(metadata) else { return false }
        if kinds.count != count {
            columns?.deallocate()
            lengths?.deallocate()
            nulls?.deallocate()
            columns = .allocate(capacity: count)
            lengths = .allocate(capacity: count)
            nulls = .allocate(capacity: count)
        }
        kinds.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        var end = 0
        for index in 0..<count {
            let kind = try Self.kind(fields[index])
            kinds.append(kind)
            offsets.append(end)
            // The library knows the longest value of texts only; numbers and times written as text are short.
            end += kind == .integer || kind == .real ? 8 : (max(Int(fields[index].max_length), 80) + 7) & ~7
        }
        row.reserve(end)
        guard let columns, let lengths, let nulls else { return false }
        for index in 0..<count {
            var bind = MYSQL_BIND()
            bind.buffer = row.start + offsets[index]
            bind.buffer_length = UInt((index + 1 < count ? offsets[index + 1] : end) - offsets[index])
            bind.buffer_type =
                switch kinds[index] {
                case .integer: MYSQL_TYPE_LONGLONG
                case .real: MYSQL_TYPE_DOUBLE
                case .decimal, .text: MYSQL_TYPE_STRING
                case .blob: MYSQL_TYPE_LONG_BLOB
                }
            bind.length = lengths + index
            bind.is_null = nulls + index
            columns[index] = bind
        }
        return mysql_stmt_bind_result(handle, columns) == 0
    }

    func fetch() -> Fetched {
        switch mysql_stmt_fetch(handle) {
        case 0: .row
        case MYSQL_NO_DATA: .end
        default: .failed
        }
    }

    /// The values of the row that was fetched.
    func read(into values: inout [SQLValue]) throws(DatabaseError) {
        guard let lengths, let nulls else { return }
        for index in kinds.indices {
            guard nulls[index] == 0 else {
                values.append(.null)
                continue
            }
            let start = row.start + offsets[index]
            let bytes = UnsafeRawBufferPointer(start: start, count: Int(lengths[index]))
            switch kinds[index] {
            case .integer: values.append(.integer(start.load(as: Int64.self)))
            case .real: values.append(.real(start.load(as: Double.self)))
            case .decimal: values.append(try SQLValue(decimal: String(decoding: bytes, as: UTF8.self)))
            case .text: values.append(.text(String(decoding: bytes, as: UTF8.self)))
            case .blob: values.append(.blob([UInt8](bytes)))
            }
        }
    }

    /// The character set of columns of bytes.
    private static let binary: UInt32 = 63

    private static func kind(_ field: MYSQL_FIELD) throws(DatabaseError) -> Kind {
        switch field.type {
        case MYSQL_TYPE_TINY, MYSQL_TYPE_SHORT, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_YEAR,
            MYSQL_TYPE_NULL:
            return .integer
        case MYSQL_TYPE_FLOAT, MYSQL_TYPE_DOUBLE: return .real
        case MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL: return .decimal
        case MYSQL_TYPE_DATE, MYSQL_TYPE_TIME, MYSQL_TYPE_DATETIME, MYSQL_TYPE_TIMESTAMP: return .text
        case MYSQL_TYPE_VAR_STRING, MYSQL_TYPE_STRING, MYSQL_TYPE_VARCHAR, MYSQL_TYPE_TINY_BLOB, MYSQL_TYPE_BLOB,
            MYSQL_TYPE_MEDIUM_BLOB, MYSQL_TYPE_LONG_BLOB, MYSQL_TYPE_ENUM, MYSQL_TYPE_SET, MYSQL_TYPE_JSON:
            return field.charsetnr == binary ? .blob : .text
        default: throw .decoding("a column has MariaDB's type \(field.type.rawValue), which is never used")
        }
    }

    /// Bytes that stay where they are while the library uses them.
    private struct Room {
        private(set) var start = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
        private var capacity = 64

        mutating func reserve(_ count: Int) {
            guard count > capacity else { return }
            start.deallocate()
            capacity = count + count / 2
            start = .allocate(byteCount: capacity, alignment: 8)
        }

        /// Returns how many bytes were copied.
        func copy(_ bytes: UnsafeRawBufferPointer, to offset: Int) -> UInt {
            if let base = bytes.baseAddress { (start + offset).copyMemory(from: base, byteCount: bytes.count) }
            return UInt(bytes.count)
        }

        func free() { start.deallocate() }
    }
}

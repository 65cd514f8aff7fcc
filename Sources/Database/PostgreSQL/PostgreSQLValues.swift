import CPostgreSQL

/// Types by their numbers. https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
enum PostgreSQLType {
    static let bool: Oid = 16
    static let bytes: Oid = 17
    static let character: Oid = 18
    static let name: Oid = 19
    static let int8: Oid = 20
    static let int2: Oid = 21
    static let int4: Oid = 23
    static let text: Oid = 25
    static let oid: Oid = 26
    static let float4: Oid = 700
    static let float8: Oid = 701
    static let unknown: Oid = 705
    static let paddedText: Oid = 1042
    static let limitedText: Oid = 1043
    static let timestamp: Oid = 1114
    static let numeric: Oid = 1700
}

/// The values of a statement in the form in which the library takes them. Used again for each statement.
struct PostgreSQLParameters: ~Copyable {
    private(set) var pointers: [UnsafePointer<CChar>?] = []
    private(set) var lengths: [Int32] = []
    private(set) var formats: [Int32] = []
    private var bytes = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 8)
    private var capacity = 256

    deinit { bytes.deallocate() }

    /// The type that a value is sent as; 0, the server's choice, for null.
    static func type(_ value: SQLValue) -> Oid {
        switch value {
        case .null: 0
        case .integer: PostgreSQLType.int8
        case .real: PostgreSQLType.float8
        case .text: PostgreSQLType.text
        case .blob: PostgreSQLType.bytes
        }
    }

    mutating func bind(_ values: [SQLValue]) {
        pointers.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        formats.removeAll(keepingCapacity: true)
        // Never empty, so that an empty text has an address and is not taken for null.
        let size = values.reduce(1) { $0 + max(8, $1.byteCount) }
        if size > capacity {
            bytes.deallocate()
            capacity = size + size / 2
            bytes = .allocate(byteCount: capacity, alignment: 8)
        }
        var end = 0
        for value in values {
            let count: Int
            switch value {
            case .null:
                pointers.append(nil)
                lengths.append(0)
                formats.append(1)
                continue
            case .integer(let number): count = store(UInt64(bitPattern: number), at: end)
            case .real(let number): count = store(number.bitPattern, at: end)
            case .text(var text): count = text.withUTF8 { store(UnsafeRawBufferPointer($0), at: end) }
            case .blob(let blob): count = blob.withUnsafeBytes { store($0, at: end) }
            }
            pointers.append(UnsafePointer((bytes + end).assumingMemoryBound(to: CChar.self)))
            lengths.append(Int32(count))
            formats.append(1)
            end += count
        }
    }

    private func store(_ number: UInt64, at offset: Int) -> Int {
        (bytes + offset).storeBytes(of: number.bigEndian, as: UInt64.self)
        return 8
    }

    private func store(_ source: UnsafeRawBufferPointer, at offset: Int) -> Int {
        if let base = source.baseAddress { (bytes + offset).copyMemory(from: base, byteCount: source.count) }
        return source.count
    }
}

/// How a column's values are read.
enum PostgreSQLColumn {
    case bool
    case int2
    case int4
    case int8
    case float4
    case float8
    case numeric
    case text
    case blob
    case timestamp

    static func all(of result: OpaquePointer?) throws(DatabaseError) -> [PostgreSQLColumn] {
        var columns: [PostgreSQLColumn] = []
        for index in 0..<PQnfields(result) { columns.append(try column(PQftype(result, index))) }
        return columns
    }

    private static func column(_ type: Oid) throws(DatabaseError) -> PostgreSQLColumn {
        switch type {
        case PostgreSQLType.bool: .bool
        case PostgreSQLType.int2: .int2
        case PostgreSQLType.int4, PostgreSQLType.oid: .int4
        case PostgreSQLType.int8: .int8
        case PostgreSQLType.float4: .float4
        case PostgreSQLType.float8: .float8
        case PostgreSQLType.numeric: .numeric
        case PostgreSQLType.text, PostgreSQLType.limitedText, PostgreSQLType.paddedText, PostgreSQLType.name,
            PostgreSQLType.character, PostgreSQLType.unknown:
            .text
        case PostgreSQLType.bytes: .blob
        case PostgreSQLType.timestamp: .timestamp
        default: throw .decoding("a column has PostgreSQL's type number \(type), which is never used")
        }
    }

    func value(_ result: OpaquePointer?, _ row: Int32, _ column: Int32) throws(DatabaseError) -> SQLValue {
        guard PQgetisnull(result, row, column) == 0, let start = PQgetvalue(result, row, column) else { return .null }
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result, row, column)))
        func number<T: FixedWidthInteger>(_ type: T.Type) -> T {
            T(bigEndian: bytes.loadUnaligned(as: type))
        }
        switch self {
        case .bool: return .integer(bytes[0] == 0 ? 0 : 1)
        case .int2: return .integer(Int64(number(Int16.self)))
        case .int4: return .integer(Int64(number(Int32.self)))
        case .int8: return .integer(number(Int64.self))
        case .float4: return .real(Double(Float(bitPattern: number(UInt32.self))))
        case .float8: return .real(Double(bitPattern: number(UInt64.self)))
        case .numeric: return try Self.numeric(bytes)
        case .text: return .text(String(decoding: bytes, as: UTF8.self))
        case .blob: return .blob([UInt8](bytes))
        // Microseconds since 2000 become those since 1970.
        case .timestamp: return .integer(number(Int64.self) + 946_684_800_000_000)
        }
    }

    /// Digits to the base 10,000, as sums of 64-bit integers come.
    private static func numeric(_ bytes: UnsafeRawBufferPointer) throws(DatabaseError) -> SQLValue {
        func word(_ index: Int) -> Int {
            Int(Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: Int16.self)))
        }
        let (count, weight, sign) = (word(0), word(1), word(2) & 0xFFFF)
        guard sign == 0 || sign == 0x4000 else { throw .decoding("the engine gave a number that is none") }
        var text = sign == 0x4000 ? "-" : ""
        func digits(_ position: Int) -> String {
            let group = (0..<count).contains(position) ? String(word(4 + position)) : "0"
            return String(repeating: "0", count: 4 - group.count) + group
        }
        let whole = weight < 0 ? "0" : (0...weight).map(digits).joined()
        text += whole.count > 1 ? String(whole.drop { $0 == "0" }) : whole
        if text.isEmpty || text == "-" { text += "0" }
        if count > weight + 1 { text += "." + ((weight + 1)..<count).map(digits).joined() }
        return try SQLValue(decimal: text)
    }
}

extension SQLValue {
    /// Whether it is a text with a NUL character, which some engines cannot store.
    var hasNUL: Bool {
        guard case .text(var text) = self else { return false }
        return text.withUTF8 { $0.contains(0) }
    }
}

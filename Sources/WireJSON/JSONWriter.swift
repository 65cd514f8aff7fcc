/// Writes JSON text straight into a growing array of UTF-8 bytes.
///
/// Commas are put where they belong; that every key is followed by one value and that keys stand only in
/// objects is the caller's part.
///
///     var writer = JSONWriter(capacity: 4096)
///     writer.object { w in
///         w.field("id", id)
///         w.array("tags") { w in for tag in tags { w.string(tag) } }
///     }
///     send(writer.bytes)
///
/// It owns its buffer and cannot be copied: an answer of hundreds of servers is written with one check of the room that
/// is left for each piece, and with nothing counted or cleared.
// Sendable: it cannot be copied, so whoever holds it is the only one who reaches the memory.
package struct JSONWriter: ~Copyable, @unchecked Sendable {
    private var start: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0

    /// True after a value: the next one in the same container needs a comma.
    private var needsComma = false

    /// An empty text with room for that many bytes.
    package init(capacity: Int = 256) {
        self.capacity = max(capacity, 16)
        start = .allocate(capacity: self.capacity)
    }

    deinit { start.deallocate() }

    /// A copy of what has been written so far.
    package var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            buffer.baseAddress?.update(from: start, count: count)
            filled = count
        }
    }

    // MARK: Containers

    /// An object as a value; `body` writes its members.
    package mutating func object<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        open(UInt8(ascii: "{"))
        try body(&self)
        close(UInt8(ascii: "}"))
    }

    /// An array as a value; `body` writes its elements.
    package mutating func array<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        open(UInt8(ascii: "["))
        try body(&self)
        close(UInt8(ascii: "]"))
    }

    /// A member that is an object.
    package mutating func object<E: Error>(
        _ key: String, _ body: (inout JSONWriter) throws(E) -> Void
    ) throws(E) {
        self.key(key)
        try object(body)
    }

    /// A member that is an array.
    package mutating func array<E: Error>(
        _ key: String, _ body: (inout JSONWriter) throws(E) -> Void
    ) throws(E) {
        self.key(key)
        try array(body)
    }

    // MARK: Keys

    /// A member's name; exactly one value must follow.
    package mutating func key(_ key: String) {
        quoted(key)
        append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member's name that was prepared once; exactly one value must follow.
    package mutating func key(_ key: JSONKey) {
        key.bytes.withUnsafeBufferPointer { put($0) }
        needsComma = false
    }

    // MARK: Values

    /// A string.
    package mutating func string(_ value: String) {
        quoted(value)
        needsComma = true
    }

    /// A string that is a path: `base/collection/name`.
    package mutating func string(_ base: String, _ collection: StaticString, _ name: String) {
        reserve(2)
        comma()
        append(UInt8(ascii: "\""))
        escaped(base)
        append(UInt8(ascii: "/"))
        escaped(UnsafeBufferPointer(start: collection.utf8Start, count: collection.utf8CodeUnitCount))
        append(UInt8(ascii: "/"))
        escaped(name)
        append(UInt8(ascii: "\""))
        needsComma = true
    }

    /// A string, or null where there is none.
    package mutating func string(_ value: String?) {
        if let value { string(value) } else { null() }
    }

    /// A whole number.
    package mutating func int(_ value: some FixedWidthInteger) {
        digits(Int64(value))
        needsComma = true
    }

    /// A number in the shortest form that reads back as the same double. JSON has no infinity and no NaN: null.
    package mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        ascii(value.description)
        needsComma = true
    }

    /// `true` or `false`.
    package mutating func bool(_ value: Bool) {
        ascii(value ? "true" : "false")
        needsComma = true
    }

    /// `null`.
    package mutating func null() {
        ascii("null")
        needsComma = true
    }

    /// A whole document as a value.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .int(let value): int(value)
        case .double(let value): double(value)
        case .string(let value): string(value)
        case .array(let elements):
            open(UInt8(ascii: "["))
            for element in elements { self.value(element) }
            close(UInt8(ascii: "]"))
        case .object(let members):
            self.value(members)
        }
    }

    /// An object as a value.
    package mutating func value(_ members: JSONObject) {
        open(UInt8(ascii: "{"))
        for (key, value) in members.members {
            self.key(key)
            self.value(value)
        }
        close(UInt8(ascii: "}"))
    }

    /// JSON text that is already serialized, as one value. It is not checked.
    package mutating func raw(_ json: [UInt8]) {
        json.withUnsafeBufferPointer { put($0) }
        needsComma = true
    }

    /// JSON text that is already serialized, as one value. It is not checked.
    package mutating func raw(_ json: String) {
        ascii(json)
        needsComma = true
    }

    // MARK: Parts

    /// Makes room for that many bytes more, and for a comma.
    private mutating func reserve(_ more: Int) {
        let needed = count + more + 1
        if needed > capacity { grow(to: needed) }
    }

    private mutating func grow(to needed: Int) {
        let larger = max(needed, capacity * 2)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: start, count: count)
        start.deallocate()
        (start, capacity) = (moved, larger)
    }

    /// The comma before a value or a key where one is needed; there must be room.
    private mutating func comma() {
        if needsComma {
            start[count] = UInt8(ascii: ",")
            count += 1
        }
    }

    private mutating func append(_ byte: UInt8) {
        reserve(1)
        start[count] = byte
        count += 1
    }

    private mutating func open(_ bracket: UInt8) {
        reserve(1)
        comma()
        start[count] = bracket
        count += 1
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        append(bracket)
        needsComma = true
    }

    /// A comma where one is needed, and bytes as they are.
    private mutating func put(_ text: UnsafeBufferPointer<UInt8>) {
        reserve(text.count)
        comma()
        guard let base = text.baseAddress else { return }
        (start + count).update(from: base, count: text.count)
        count += text.count
    }

    /// Text that needs no escaping.
    private mutating func ascii(_ text: String) {
        var text = text
        text.withUTF8 { put($0) }
    }

    private mutating func quoted(_ text: String) {
        reserve(1)
        comma()
        append(UInt8(ascii: "\""))
        escaped(text)
        append(UInt8(ascii: "\""))
    }

    private mutating func escaped(_ text: String) {
        var text = text
        text.withUTF8 { escaped($0) }
    }

    /// The inside of a string; runs without a byte to escape are copied whole.
    private mutating func escaped(_ text: UnsafeBufferPointer<UInt8>) {
        guard let base = text.baseAddress else { return }
        var plain = 0
        while true {
            let special = JSONEscaping.firstEscape(text, from: plain)
            reserve(special - plain + JSONEscaping.longest)
            (start + count).update(from: base + plain, count: special - plain)
            count += special - plain
            guard special < text.count else { return }
            count += JSONEscaping.write(text[special], at: start + count)
            plain = special + 1
        }
    }

    private mutating func digits(_ value: Int64) {
        reserve(20)
        comma()
        if value >= 0 && value < 10 {
            start[count] = UInt8(ascii: "0") + UInt8(value)
            count += 1
            return
        }
        var rest = value.magnitude
        var places = value < 0 ? 1 : 0
        if value < 0 { start[count] = UInt8(ascii: "-") }
        var shrinking = rest
        while shrinking > 0 {
            shrinking /= 10
            places += 1
        }
        var position = count + places
        count = position
        while rest > 0 {
            position -= 1
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            start[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: remainder)
            rest = quotient
        }
    }
}

/// A member's name prepared for writing: quoted, escaped and followed by its colon.
package struct JSONKey: Sendable, Hashable {
    /// The name as it reads in the document.
    package let name: String
    let bytes: [UInt8]

    /// Prepares a name.
    package init(_ name: String) {
        self.name = name
        var writer = JSONWriter(capacity: name.utf8.count + 3)
        writer.key(name)
        bytes = writer.bytes
    }
}

extension JSONKey: ExpressibleByStringLiteral {
    package init(stringLiteral name: String) { self.init(name) }
}

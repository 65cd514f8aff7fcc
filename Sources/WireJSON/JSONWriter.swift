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
package struct JSONWriter: Sendable {
    /// What has been written so far.
    package private(set) var bytes: [UInt8]

    /// True after a value: the next one in the same container needs a comma.
    private var needsComma = false

    /// An empty text with room for that many bytes.
    package init(capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
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
        comma()
        quoted(key)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member's name that was prepared once; exactly one value must follow.
    package mutating func key(_ key: JSONKey) {
        comma()
        bytes.append(contentsOf: key.bytes)
        needsComma = false
    }

    // MARK: Values

    /// A string.
    package mutating func string(_ value: String) {
        comma()
        quoted(value)
        needsComma = true
    }

    /// A string, or null where there is none.
    package mutating func string(_ value: String?) {
        if let value { string(value) } else { null() }
    }

    /// A whole number.
    package mutating func int(_ value: some FixedWidthInteger) {
        comma()
        digits(Int64(value))
        needsComma = true
    }

    /// A number in the shortest form that reads back as the same double. JSON has no infinity and no NaN: null.
    package mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        comma()
        ascii(value.description)
        needsComma = true
    }

    /// `true` or `false`.
    package mutating func bool(_ value: Bool) {
        comma()
        ascii(value ? "true" : "false")
        needsComma = true
    }

    /// `null`.
    package mutating func null() {
        comma()
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
        comma()
        bytes.append(contentsOf: json)
        needsComma = true
    }

    /// JSON text that is already serialized, as one value. It is not checked.
    package mutating func raw(_ json: String) {
        comma()
        ascii(json)
        needsComma = true
    }

    // MARK: Parts

    private mutating func comma() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func open(_ bracket: UInt8) {
        comma()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    /// Text that needs no escaping.
    private mutating func ascii(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    private mutating func quoted(_ text: String) {
        var text = text
        text.withUTF8 { JSONEscaping.append($0, to: &bytes) }
    }

    private mutating func digits(_ value: Int64) {
        if value >= 0 && value < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(value))
            return
        }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
            var position = buffer.count
            var rest = value.magnitude
            repeat {
                position -= 1
                let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
                buffer.initializeElement(at: position, to: UInt8(ascii: "0") + UInt8(remainder))
                rest = quotient
            } while rest > 0
            if value < 0 {
                position -= 1
                buffer.initializeElement(at: position, to: UInt8(ascii: "-"))
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: buffer[position...]))
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
        var bytes: [UInt8] = []
        var text = name
        text.withUTF8 { JSONEscaping.append($0, to: &bytes) }
        bytes.append(UInt8(ascii: ":"))
        self.bytes = bytes
    }
}

extension JSONKey: ExpressibleByStringLiteral {
    package init(stringLiteral name: String) { self.init(name) }
}

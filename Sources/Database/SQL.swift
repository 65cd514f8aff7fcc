/// One SQL statement, or a fragment of one, with its bound values.
///
/// Written as a string literal; what is interpolated is bound, never pasted:
/// ```swift
/// let one: SQL = "SELECT uuid FROM instances WHERE id = \(id) AND host IN \(list: hosts)"
/// let two: SQL = "SELECT \(idents: ["id", "order"]) FROM \(ident: table) WHERE \(condition)"
/// ```
/// A statement is independent of the engine; placeholders and quoting are filled in per ``SQLDialect`` when it
/// is prepared for the first time on a connection.
package struct SQL: Sendable, Hashable {
    /// The text with marks in the places of values and identifiers; also the key of the statement caches.
    var template: String
    /// The values in the order of their placeholders.
    package private(set) var values: [SQLValue]

    /// Stands for one bound value.
    static let valueMark: UInt8 = 1
    /// Encloses an identifier that is to be quoted.
    static let identifierMark: UInt8 = 2
    /// Stands for an empty list, which no dialect writes alike.
    static let emptyListMark: UInt8 = 3
    /// The same for numbers.
    static let emptyNumberListMark: UInt8 = 5
    /// Stands for the operator that compares with a pattern.
    static let likeMark: UInt8 = 4

    init(template: String, values: [SQLValue]) {
        self.template = template
        self.values = values
    }

    /// A statement of trusted text without values, such as one that was read from a resource.
    package init(raw text: String) {
        self.init(template: text, values: [])
    }

    /// Appends a further fragment with its values.
    package static func += (left: inout SQL, right: SQL) {
        left.template += right.template
        left.values += right.values
    }

    /// Two fragments as one.
    package static func + (left: SQL, right: SQL) -> SQL {
        var sum = left
        sum += right
        return sum
    }

    /// The text as an engine of that dialect reads it.
    package func text(for dialect: SQLDialect) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(template.utf8.count + 32)
        var placeholders = 0
        var inIdentifier = false
        for byte in template.utf8 {
            switch byte {
            case Self.valueMark:
                placeholders += 1
                bytes += dialect.placeholder(placeholders).utf8
            case Self.identifierMark:
                inIdentifier.toggle()
                bytes.append(dialect.identifierQuote)
            case Self.emptyListMark:
                bytes += dialect.emptyList(ofNumbers: false).utf8
            case Self.emptyNumberListMark:
                bytes += dialect.emptyList(ofNumbers: true).utf8
            case Self.likeMark:
                bytes += dialect.like.utf8
            case dialect.identifierQuote where inIdentifier:
                bytes += [byte, byte]
            default:
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension SQL: ExpressibleByStringInterpolation {
    package init(stringLiteral value: String) {
        self.init(template: value, values: [])
    }

    package init(stringInterpolation: StringInterpolation) {
        self.init(template: stringInterpolation.template, values: stringInterpolation.values)
    }

    /// Collects the pieces of a literal.
    package struct StringInterpolation: StringInterpolationProtocol {
        var template = ""
        var values: [SQLValue] = []

        package init(literalCapacity: Int, interpolationCount: Int) {
            template.reserveCapacity(literalCapacity + interpolationCount * 2)
            values.reserveCapacity(interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) {
            template += literal
        }

        /// A bound value.
        package mutating func appendInterpolation(_ value: some SQLBindable) {
            template += "\u{1}"
            values.append(value.sqlValue)
        }

        /// A bound value or null.
        package mutating func appendInterpolation(_ value: (some SQLBindable)?) {
            template += "\u{1}"
            values.append(value?.sqlValue ?? .null)
        }

        /// A fragment with its own values.
        package mutating func appendInterpolation(_ fragment: SQL) {
            template += fragment.template
            values += fragment.values
        }

        /// A parenthesised list for `IN`; an empty one matches nothing.
        ///
        /// The list is filled up to a power of two by repeating its last value, so that lists of many lengths
        /// share few prepared statements. SQLite takes up to 32,766 values in one statement, the others 65,535.
        package mutating func appendInterpolation<Value: SQLBindable>(list: some Collection<Value>) {
            guard !list.isEmpty else {
                template += Value.self is any FixedWidthInteger.Type ? "\u{5}" : "\u{3}"
                return
            }
            var bound = list.map(\.sqlValue)
            var room = 1
            while room < bound.count { room *= 2 }
            if room <= 4096 {
                bound += repeatElement(bound[bound.count - 1], count: room - bound.count)
            }
            template += "(\u{1}" + String(repeating: ",\u{1}", count: bound.count - 1) + ")"
            values += bound
        }

        /// `column LIKE pattern` with the backslash as escape; capital and small letters are alike.
        package mutating func appendInterpolation(_ column: String, like pattern: String) {
            template += "\u{2}" + column + "\u{2} \u{4} \u{1} ESCAPE '\\'"
            values.append(.text(pattern))
        }

        /// Trusted text, pasted as it is. Never anything that came from outside.
        package mutating func appendInterpolation(raw text: String) {
            template += text
        }

        /// The name of a table or column, quoted.
        package mutating func appendInterpolation(ident name: String) {
            template += "\u{2}" + name + "\u{2}"
        }

        /// Names of columns, quoted and separated by commas.
        package mutating func appendInterpolation(idents names: some Sequence<String>) {
            template += names.map { "\u{2}" + $0 + "\u{2}" }.joined(separator: ", ")
        }

        /// Bound values separated by commas, without parentheses: the inside of `VALUES (…)`.
        package mutating func appendInterpolation(values list: [any SQLBindable]) {
            template += list.map { _ in "\u{1}" }.joined(separator: ", ")
            values += list.map(\.sqlValue)
        }
    }
}

extension SQL: CustomStringConvertible {
    /// The statement with question marks for its values, for messages; values are left out as they may be secret.
    package var description: String { text(for: .sqlite) }
}

extension Collection<SQL> {
    /// The fragments with `separator` between them, such as conditions joined by `" AND "`.
    package func joined(separator: SQL) -> SQL {
        var sum = SQL(template: "", values: [])
        var isFirst = true
        for fragment in self {
            if !isFirst { sum += separator }
            sum += fragment
            isFirst = false
        }
        return sum
    }
}

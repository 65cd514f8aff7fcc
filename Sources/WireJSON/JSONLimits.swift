/// What a parser accepts at most. Whatever comes from outside has a limit.
package struct JSONLimits: Sendable, Hashable {
    /// Length of the whole text in bytes.
    package var bytesMax: Int
    /// Nesting of arrays and objects; `[[1]]` has depth 2.
    package var depthMax: Int
    /// Length of one number in characters.
    package var numberLengthMax: Int

    /// 16 MiB, 64 levels, numbers of 400 characters.
    package static let standard = JSONLimits()

    /// Limits of the given sizes.
    package init(bytesMax: Int = 16 << 20, depthMax: Int = 64, numberLengthMax: Int = 400) {
        (self.bytesMax, self.depthMax, self.numberLengthMax) = (bytesMax, depthMax, numberLengthMax)
    }
}

/// Why and where a text is not the JSON that was expected.
package struct JSONParseError: Error, Sendable, Hashable {
    /// What went wrong.
    package enum Reason: Sendable, Hashable {
        /// Something else was expected here; `found` is what is there.
        case unexpected(expected: String, found: String)
        /// The text is not well-formed UTF-8.
        case notUTF8
        /// `\u` escapes that do not form a character, such as half a surrogate pair.
        case loneSurrogate
        /// Deeper than `JSONLimits.depthMax`.
        case tooDeep(max: Int)
        /// Longer than `JSONLimits.bytesMax`.
        case tooLong(max: Int)
        /// A number that a double cannot hold, or of more than `JSONLimits.numberLengthMax` characters.
        case numberOutOfRange
    }

    /// What went wrong.
    package let reason: Reason
    /// Position in bytes, from 0.
    package let offset: Int
    /// Line, from 1.
    package let line: Int
    /// Position in bytes within the line, from 1.
    package let column: Int
}

extension JSONParseError: CustomStringConvertible {
    /// One sentence for whoever sent the text.
    package var description: String {
        let what =
            switch reason {
            case .unexpected(let expected, let found): "expected \(expected) but found \(found)"
            case .notUTF8: "the text is not valid UTF-8"
            case .loneSurrogate: "an escaped surrogate has no counterpart"
            case .tooDeep(let max): "more than \(max) levels of nesting"
            case .tooLong(let max): "the text is longer than \(max) bytes"
            case .numberOutOfRange: "the number is out of range"
            }
        return "\(what) at line \(line), column \(column) (byte \(offset))"
    }
}

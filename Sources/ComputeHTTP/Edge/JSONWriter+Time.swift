import ComputeModel
import WireJSON

extension JSONWriter {
    /// A time as most members have it: `2026-08-21T10:15:30Z`.
    mutating func time(_ moment: Timestamp) { string(TimeText.seconds(moment)) }

    /// A time as the oldest members have it, with microseconds and without a zone; null where there is none.
    mutating func preciseTime(_ moment: Timestamp?) {
        if let moment { string(TimeText.microseconds(moment)) } else { null() }
    }
}

/// Times as text, written digit by digit: lists hold hundreds of them.
enum TimeText {
    static func seconds(_ moment: Timestamp) -> String { text(moment, length: 20) }
    static func microseconds(_ moment: Timestamp) -> String { text(moment, length: 26) }

    private static func text(_ moment: Timestamp, length: Int) -> String {
        let parts = moment.civil
        return String(unsafeUninitializedCapacity: length) { buffer in
            var position = 0
            func put(_ number: Int, _ digits: Int, _ after: Unicode.Scalar?) {
                var rest = number
                for place in (0..<digits).reversed() {
                    buffer[position + place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                    rest /= 10
                }
                position += digits
                if let after {
                    buffer[position] = UInt8(ascii: after)
                    position += 1
                }
            }
            put(parts.year, 4, "-")
            put(parts.month, 2, "-")
            put(parts.day, 2, "T")
            put(parts.hour, 2, ":")
            put(parts.minute, 2, ":")
            put(parts.second, 2, length == 20 ? "Z" : ".")
            if length == 26 { put(parts.microsecond, 6, nil) }
            return length
        }
    }
}

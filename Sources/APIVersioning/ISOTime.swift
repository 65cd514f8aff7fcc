/// ISO 8601 times as leniently as the reference reads them (the `iso8601` package): a date may stop after the year
/// or the month, dashes and colons may be missing, the date may end in a time and the time in a zone.
///
/// What to do with digits that could mean two things is decided as by the package's expression: the first reading
/// that reaches the end of the text counts, and only then are the numbers judged.
enum ISOTime {
    static func isValid(_ text: String) -> Bool {
        var bytes = Array(text.utf8)
        // The expression ends in `$`, which overlooks a final newline.
        if bytes.last == 0x0A { bytes.removeLast() }
        return Reader(bytes: bytes).reading()?.isValid ?? false
    }

    private struct Reading {
        var year = 1
        var month = 1
        var day = 1
        var hour = 0
        var minute = 0
        var second = 0
        var zoneMinutes = 0

        var isValid: Bool {
            year >= 1 && (1...12).contains(month) && day >= 1 && day <= days && hour < 24 && minute < 60
                && second < 60 && zoneMinutes < 24 * 60
        }

        private var days: Int {
            switch month {
            case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
            case 4, 6, 9, 11: 30
            default: 31
            }
        }
    }

    /// Every step takes the reading so far and the position, tries its alternatives in order, and hands over to the
    /// next step.
    private struct Reader {
        let bytes: [UInt8]

        func reading() -> Reading? {
            guard let year = number(at: 0, count: 4) else { return nil }
            return month(Reading(year: year), 4)
        }

        private func month(_ reading: Reading, _ position: Int) -> Reading? {
            if position == bytes.count { return reading }
            var reading = reading
            let hasDash = isAt(position, "-")
            let start = hasDash ? position + 1 : position
            for count in hasDash ? [2, 1] : [2] {
                guard let month = number(at: start, count: count) else { continue }
                reading.month = month
                if start + count == bytes.count {
                    // Without the dash a year and a month could be a short date.
                    if hasDash { return reading }
                } else if let result = day(reading, start + count) {
                    return result
                }
            }
            return nil
        }

        private func day(_ reading: Reading, _ position: Int) -> Reading? {
            var reading = reading
            let hasDash = isAt(position, "-")
            let start = hasDash ? position + 1 : position
            for count in hasDash ? [2, 1] : [2] {
                guard let day = number(at: start, count: count) else { continue }
                reading.day = day
                if start + count == bytes.count { return reading }
                if let result = hour(reading, start + count) { return result }
            }
            return nil
        }

        private func hour(_ reading: Reading, _ position: Int) -> Reading? {
            guard isAt(position, "T") || isAt(position, " "), let hour = number(at: position + 1, count: 2)
            else { return nil }
            var reading = reading
            reading.hour = hour
            let start = position + 3
            // The minute may be missing while there are seconds.
            for skip in isAt(start, ":") ? [1, 0] : [0] {
                guard let minute = number(at: start + skip, count: 2) else { continue }
                var withMinute = reading
                withMinute.minute = minute
                if let result = second(withMinute, start + skip + 2) { return result }
            }
            return second(reading, start)
        }

        private func second(_ reading: Reading, _ position: Int) -> Reading? {
            let start = isAt(position, ":") ? position + 1 : position
            for count in [2, 1] {
                guard let second = number(at: start, count: count) else { continue }
                var withSecond = reading
                withSecond.second = second
                let end = start + count
                if isAt(end, ".") || isAt(end, ",") {
                    let fraction = bytes[(end + 1)...].prefix { (0x30...0x39).contains($0) }.count
                    if fraction > 0, let result = zone(withSecond, end + 1 + fraction) { return result }
                }
                if let result = zone(withSecond, end) { return result }
            }
            return zone(reading, position)
        }

        private func zone(_ reading: Reading, _ position: Int) -> Reading? {
            if position == bytes.count { return reading }
            if isAt(position, "Z") { return position + 1 == bytes.count ? reading : nil }
            guard isAt(position, "+") || isAt(position, "-"), let hours = number(at: position + 1, count: 2)
            else { return nil }
            var reading = reading
            reading.zoneMinutes = hours * 60
            let start = isAt(position + 3, ":") ? position + 4 : position + 3
            if start == bytes.count { return reading }
            guard let minutes = number(at: start, count: 2), start + 2 == bytes.count else { return nil }
            reading.zoneMinutes += minutes
            return reading
        }

        private func isAt(_ position: Int, _ character: Unicode.Scalar) -> Bool {
            position < bytes.count && bytes[position] == UInt8(ascii: character)
        }

        /// The number of exactly that many digits; nil when there are fewer.
        private func number(at position: Int, count: Int) -> Int? {
            guard position + count <= bytes.count else { return nil }
            return WireFormats.decimal(bytes[position..<position + count], max: 9999)
        }
    }
}

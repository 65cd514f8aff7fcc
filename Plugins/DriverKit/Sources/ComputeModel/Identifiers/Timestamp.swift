/// A moment, in whole microseconds since 1970-01-01T00:00:00Z, as databases of every kind can keep it.
public struct Timestamp: Hashable, Comparable, Codable, Sendable {
    /// Microseconds since the epoch.
    public let microseconds: Int64

    /// The moment so many microseconds after the epoch.
    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// The moment so many seconds after the epoch.
    public init(seconds: Int64) { microseconds = seconds * 1_000_000 }

    public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }

    /// The moment so much later.
    public static func + (left: Self, right: Duration) -> Self {
        let (seconds, attoseconds) = right.components
        return Self(microseconds: left.microseconds + seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }

    /// The time from `right` to `left`.
    public static func - (left: Self, right: Self) -> Duration {
        .microseconds(left.microseconds - right.microseconds)
    }

    public init(from decoder: any Decoder) throws {
        microseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(microseconds)
    }
}

extension Timestamp {
    /// The parts of the moment in the proleptic Gregorian calendar, in UTC.
    public var civil: (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, microsecond: Int) {
        var seconds = microseconds / 1_000_000
        var fraction = microseconds % 1_000_000
        if fraction < 0 {
            fraction += 1_000_000
            seconds -= 1
        }
        var days = seconds / 86400
        var rest = seconds % 86400
        if rest < 0 {
            rest += 86400
            days -= 1
        }
        // Days are counted in eras of 400 years that begin on 1 March.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (
            Int(year), Int(month), Int(day), Int(rest / 3600), Int(rest % 3600 / 60), Int(rest % 60), Int(fraction)
        )
    }

    /// The moment of a date and time in UTC; `nil` when a part is out of range.
    public init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0, microsecond: Int = 0)
    {
        guard (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour), (0...59).contains(minute),
            (0...60).contains(second), (0...999_999).contains(microsecond), (1...9999).contains(year)
        else { return nil }
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear - era * 400
        let shiftedMonth = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * shiftedMonth + 2) / 5 + Int64(day) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        let seconds = days * 86400 + Int64(hour * 3600 + minute * 60 + second)
        self.init(microseconds: seconds * 1_000_000 + Int64(microsecond))
        guard civil.day == day else { return nil }
    }

    /// `2026-08-21T10:15:30Z`, the form of most OpenStack answers.
    public var iso8601: String { text(separator: "T", fraction: false) + "Z" }

    /// `2026-08-21T10:15:30.000000`, without a zone, the form of Nova's older fields.
    public var iso8601WithMicroseconds: String { text(separator: "T", fraction: true) }

    /// `2026-08-21T10:15:30.000000Z`, the form of Keystone's answers.
    public var iso8601WithMicrosecondsUTC: String { text(separator: "T", fraction: true) + "Z" }

    private func text(separator: String, fraction: Bool) -> String {
        let parts = civil
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        var text = "\(padded(parts.year, 4))-\(padded(parts.month, 2))-\(padded(parts.day, 2))\(separator)"
        text += "\(padded(parts.hour, 2)):\(padded(parts.minute, 2)):\(padded(parts.second, 2))"
        if fraction { text += ".\(padded(parts.microsecond, 6))" }
        return text
    }

    /// Parses ISO 8601 as OpenStack clients send it: date, optional time, optional fraction, optional zone
    /// (`Z` or `±hh[:mm]`; none means UTC). A blank may stand for the `T`.
    public init?(iso8601 text: some StringProtocol) {
        var rest = Substring(text)
        func number(_ digits: Int) -> Int? {
            guard rest.utf8.count >= digits else { return nil }
            let part = rest.prefix(digits)
            guard part.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
            rest = rest.dropFirst(digits)
            return Int(part)
        }
        func skip(_ characters: Set<Character>) -> Bool {
            guard let first = rest.first, characters.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = number(4), skip(["-"]), let month = number(2), skip(["-"]), let day = number(2) else {
            return nil
        }
        var (hour, minute, second, microsecond, offset) = (0, 0, 0, 0, 0)
        if skip(["T", " "]) {
            guard let readHour = number(2), skip([":"]), let readMinute = number(2) else { return nil }
            (hour, minute) = (readHour, readMinute)
            if skip([":"]) {
                guard let readSecond = number(2) else { return nil }
                second = readSecond
            }
            if skip(["."]) {
                let digits = rest.prefix { $0.isASCII && $0.isNumber }
                guard !digits.isEmpty, digits.count <= 9 else { return nil }
                rest = rest.dropFirst(digits.count)
                guard let fraction = Int((digits + "000000").prefix(6)) else { return nil }
                microsecond = fraction
            }
        }
        if !skip(["Z", "z"]), let sign = rest.first, sign == "+" || sign == "-" {
            rest = rest.dropFirst()
            guard let hours = number(2) else { return nil }
            _ = skip([":"])
            let minutes = rest.isEmpty ? 0 : number(2)
            guard let minutes, hours < 24, minutes < 60 else { return nil }
            offset = (hours * 60 + minutes) * (sign == "+" ? 1 : -1)
        }
        guard rest.isEmpty,
            let moment = Self(
                year: year, month: month, day: day, hour: hour, minute: minute, second: second,
                microsecond: microsecond)
        else { return nil }
        self.init(microseconds: moment.microseconds - Int64(offset) * 60_000_000)
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String { iso8601WithMicrosecondsUTC }
}

#if canImport(Glibc)
internal import Glibc
#endif

extension Timestamp {
    /// The moment now, by the system's clock. Services take their clock as a parameter; this is what to pass.
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}

import NIOConcurrencyHelpers

/// Writes status line and header fields as bytes. Rendering by hand, because one buffer then takes head and body of a
/// small answer and is written with one call.
enum ResponseHead {
    /// How the body's end is told.
    enum Framing: Equatable {
        /// The status forbids a body (204, 304).
        case none
        case length(Int)
        case chunked
        /// The end of the connection is the end of the body (HTTP/1.0).
        case untilClose
    }

    /// What is said about the connection's future: nothing where the version's default holds.
    enum Persistence {
        case implied
        case close
        case keepAlive
    }

    /// Whether the fields can be written without changing the meaning of others.
    static func isWritable(_ headers: HTTPHeaders) -> Bool {
        for (name, value) in headers {
            let isName = !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
            guard isName, value.utf8.allSatisfy({ $0 >= 0x20 || $0 == 9 }) else { return false }
        }
        return true
    }

    /// Appends the head. Fields that are the server's to say are left out of `headers`.
    static func write(
        status: Int, headers: HTTPHeaders, framing: Framing, persistence: Persistence, fixed: [UInt8],
        into out: inout ByteBuffer
    ) {
        out.writeBytes(StatusLines.line(status))
        out.writeBytes(fixed)
        for (name, value) in headers where !isServers(name) {
            out.writeString(name)
            out.writeStaticString(": ")
            out.writeString(value)
            out.writeStaticString("\r\n")
        }
        switch framing {
        case .none, .untilClose: break
        case .length(let length):
            out.writeStaticString("Content-Length: ")
            out.writeString(String(length))
            out.writeStaticString("\r\n")
        case .chunked: out.writeStaticString("Transfer-Encoding: chunked\r\n")
        }
        switch persistence {
        case .implied: out.writeStaticString("\r\n")
        case .close: out.writeStaticString("Connection: close\r\n\r\n")
        case .keepAlive: out.writeStaticString("Connection: keep-alive\r\n\r\n")
        }
    }

    private static func isServers(_ name: String) -> Bool {
        switch name.utf8.count {
        case 4: name.lowercased() == "date"
        case 10: name.lowercased() == "connection"
        case 14: name.lowercased() == "content-length"
        case 17: name.lowercased() == "transfer-encoding"
        default: false
        }
    }
}

/// "HTTP/1.1 200 OK\r\n" for every status.
private enum StatusLines {
    private static let lines: [[UInt8]] = (0..<600).map { status in
        Array("HTTP/1.1 \(status) \(HTTPResponseStatus(statusCode: status).reasonPhrase)\r\n".utf8)
    }

    static func line(_ status: Int) -> [UInt8] { lines[lines.indices.contains(status) ? status : 500] }
}

/// The fields that every answer carries, `Date` and `Server`, rendered once per second for all connections.
final class FixedFields: Sendable {
    private let unixTime: @Sendable () -> Int
    private let server: String
    private let current = NIOLockedValueBox<(second: Int, bytes: [UInt8])>((.min, []))

    init(unixTime: @escaping @Sendable () -> Int, serverName: String?) {
        self.unixTime = unixTime
        server = serverName.map { "Server: \($0)\r\n" } ?? ""
    }

    /// The fields as bytes, each with its line end.
    var bytes: [UInt8] {
        let now = unixTime()
        return current.withLockedValue { current in
            if current.second != now {
                current = (now, Array("Date: \(HTTPDate.text(now))\r\n\(server)".utf8))
            }
            return current.bytes
        }
    }
}

/// Dates as HTTP writes them (RFC 9110, 5.6.7).
package enum HTTPDate {
    /// "Sun, 06 Nov 1994 08:49:37 GMT" for seconds since 1970.
    package static func text(_ unixTime: Int) -> String {
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let seconds = max(0, unixTime)
        let (days, second) = seconds.quotientAndRemainder(dividingBy: 86_400)
        // Days to civil date, counted in 400-year eras that begin on 1 March of year 0.
        let (era, day) = (days + 719_468).quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 2 : shifted - 10
        let year = era * 400 + yearOfEra + (month < 2 ? 1 : 0)
        let dayOfMonth = dayOfYear - (153 * shifted + 2) / 5 + 1
        let time = [second / 3600, second / 60 % 60, second % 60].map(twoDigits).joined(separator: ":")
        return "\(weekdays[days % 7]), \(twoDigits(dayOfMonth)) \(months[month]) \(year) \(time) GMT"
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

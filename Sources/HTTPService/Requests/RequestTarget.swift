/// Why this module refuses a request before a responder sees it.
struct HTTPRefusal: Error, Equatable {
    let status: Int
    let message: String
}

/// The request line's target, taken apart and checked.
struct RequestTarget: Sendable {
    /// As sent, without the query.
    let path: String
    /// Percent-decoded.
    let segments: [String]
    let query: HTTPQuery

    /// Takes "/path?query", "http://authority/path?query" (as proxies send it), and "*" for OPTIONS.
    init(_ target: String, method: HTTPMethod) throws(HTTPRefusal) {
        if target == "*", method == .OPTIONS {
            (path, segments, query) = ("*", [], HTTPQuery())
            return
        }
        var target = target
        if !target.utf8.starts(with: [UInt8(ascii: "/")]) {
            target = try Self.originForm(target)
        }
        self = try target.withUTF8 { bytes in Result { () throws(HTTPRefusal) in try RequestTarget(bytes) } }.get()
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>) throws(HTTPRefusal) {
        let pathEnd = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
        let pathBytes = UnsafeBufferPointer(rebasing: bytes[..<pathEnd])
        path = String(decoding: pathBytes, as: UTF8.self)
        segments = try Self.segments(pathBytes)
        guard pathEnd < bytes.endIndex else {
            query = HTTPQuery()
            return
        }
        query = try Self.query(UnsafeBufferPointer(rebasing: bytes[(pathEnd + 1)...]))
    }

    private static func originForm(_ target: String) throws(HTTPRefusal) -> String {
        let lowered = target.prefix(8).lowercased()
        for scheme in ["http://", "https://"] where lowered.hasPrefix(scheme) {
            let rest = target.dropFirst(scheme.count)
            let start = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            guard RequestOrigin.isValidAuthority(String(rest[..<start])) else { break }
            let tail = rest[start...]
            return tail.hasPrefix("/") ? String(tail) : "/" + tail
        }
        throw HTTPRefusal(status: 400, message: "The request target must be a path that begins with a slash.")
    }

    private static func segments(_ path: UnsafeBufferPointer<UInt8>) throws(HTTPRefusal) -> [String] {
        var segments: [String] = []
        var position = 1
        while position < path.count {
            let end = path[position...].firstIndex(of: UInt8(ascii: "/")) ?? path.count
            segments.append(try segment(UnsafeBufferPointer(rebasing: path[position..<end])))
            position = end + 1
        }
        return segments
    }

    private static func segment(_ bytes: UnsafeBufferPointer<UInt8>) throws(HTTPRefusal) -> String {
        guard let text = PercentCoding.decode(bytes, plusIsSpace: false, keepsBadEscapes: false) else {
            throw HTTPRefusal(status: 400, message: "The path is not correctly percent-encoded UTF-8.")
        }
        if text == ".." || text == "." {
            throw HTTPRefusal(status: 400, message: "The path must not contain '.' or '..' segments.")
        }
        if text.utf8.contains(0) {
            throw HTTPRefusal(status: 400, message: "The path must not contain NUL.")
        }
        return text
    }

    private static func query(_ bytes: UnsafeBufferPointer<UInt8>) throws(HTTPRefusal) -> HTTPQuery {
        var pairs: [HTTPQuery.Element] = []
        for part in bytes.split(separator: UInt8(ascii: "&")) {
            let equals = part.firstIndex(of: UInt8(ascii: "="))
            let name = UnsafeBufferPointer(rebasing: part[..<(equals ?? part.endIndex)])
            let value = UnsafeBufferPointer(rebasing: equals.map { part[($0 + 1)...] } ?? part[part.endIndex...])
            guard let name = PercentCoding.decode(name, plusIsSpace: true, keepsBadEscapes: true),
                let value = PercentCoding.decode(value, plusIsSpace: true, keepsBadEscapes: true)
            else {
                throw HTTPRefusal(status: 400, message: "The query is not correctly percent-encoded UTF-8.")
            }
            pairs.append((name, value))
        }
        return HTTPQuery(pairs)
    }
}

/// Percent-decoding (RFC 3986, 2.1).
enum PercentCoding {
    /// The decoded text; nil when it is not UTF-8, contains the replacement character (what is left of raw bytes that
    /// were not UTF-8), or has a malformed escape and those are not kept as they are.
    static func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, plusIsSpace: Bool, keepsBadEscapes: Bool
    ) -> String? {
        let isPlain = bytes.allSatisfy { byte in
            byte < 0x80 && byte != UInt8(ascii: "%") && !(plusIsSpace && byte == UInt8(ascii: "+"))
        }
        if isPlain { return String(decoding: bytes, as: UTF8.self) }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "%") {
                if index + 1 < bytes.count, let high = nibble(bytes[index]), let low = nibble(bytes[index + 1]) {
                    decoded.append(high << 4 | low)
                    index += 2
                    continue
                }
                guard keepsBadEscapes else { return nil }
            }
            decoded.append(byte == UInt8(ascii: "+") && plusIsSpace ? UInt8(ascii: " ") : byte)
        }
        guard let text = String(validating: decoded, as: UTF8.self), !text.unicodeScalars.contains("\u{FFFD}") else {
            return nil
        }
        return text
    }

    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// `Range` requests on files (RFC 9110, 14): one range of bytes; several in one request are answered with the whole
/// file, as the standard allows.
enum FileRange: Equatable {
    case whole
    case part(Range<Int>)
    case unsatisfiable

    /// What `Range: <field>` asks of a file of that size.
    init(field: String, size: Int) {
        let unit = "bytes="
        guard field.lowercased().hasPrefix(unit) else {
            self = .whole
            return
        }
        let bounds = field.dropFirst(unit.count).split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2, let first = Self.number(bounds[0]), let last = Self.number(bounds[1]) else {
            self = .whole
            return
        }
        switch (first, last) {
        case (nil, nil): self = .whole
        case (nil, let suffix?): self = suffix == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - suffix)..<size)
        case (let first?, let last):
            if let last, last < first {
                self = .whole
            } else {
                self = first >= size ? .unsatisfiable : .part(first..<min(size, (last ?? size - 1) + 1))
            }
        }
    }

    /// Nil: no number; some(nil): left out. Numbers too large for any file count as the largest.
    private static func number(_ text: Substring) -> Int?? {
        if text.isEmpty { return .some(nil) }
        guard text.utf8.allSatisfy({ 48...57 ~= $0 }) else { return nil }
        return .some(min(Int(text) ?? Int.max - 1, Int.max - 1))
    }

    /// The response with the part that the request asks for: 206, 416, or the whole file as a stream of known length.
    static func apply(to response: HTTPResponse, file: HTTPFile, request: HTTPRequest) -> HTTPResponse {
        var response = response
        var bytes = 0..<file.size
        if response.status == 200 {
            response.headers.replaceOrAdd(name: "Accept-Ranges", value: "bytes")
            switch wanted(response, file: file, request: request) {
            case .whole: break
            case .part(let range):
                bytes = range
                response.status = 206
                let value = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)"
                response.headers.replaceOrAdd(name: "Content-Range", value: value)
            case .unsatisfiable:
                var refusal = HTTPResponse.refusal(416, "The file has \(file.size) bytes; the range is beyond them.")
                refusal.headers.add(name: "Content-Range", value: "bytes */\(file.size)")
                return refusal
            }
        }
        response.body = .stream(
            HTTPBodyStream(length: bytes.count) { [bytes] writer in
                try await file.copy(bytes) { buffer in try await writer.write(buffer) }
            })
        return response
    }

    private static func wanted(_ response: HTTPResponse, file: HTTPFile, request: HTTPRequest) -> FileRange {
        guard request.method == .GET, let field = request.headers.first(name: "Range") else { return .whole }
        if let condition = request.headers.first(name: "If-Range") {
            let validators = [response.headers.first(name: "ETag"), response.headers.first(name: "Last-Modified")]
            guard !condition.hasPrefix("W/"), validators.contains(condition) else { return .whole }
        }
        return FileRange(field: field, size: file.size)
    }
}

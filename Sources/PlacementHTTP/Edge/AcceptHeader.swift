import HTTPService

/// What a client takes. Absent, or `*/*` alone, means JSON.
struct AcceptHeader {
    enum ErrorForm { case json, html, plain }

    private let ranges: [(type: String, quality: Double)]

    init(_ headers: HTTPHeaders) {
        let text = headers["Accept"].joined(separator: ",")
        let plain = text.trimmingSpaces
        if plain.isEmpty || plain == "*/*" {
            ranges = [("application/json", 1)]
            return
        }
        ranges = plain.split(separator: ",").map { part in
            let pieces = part.split(separator: ";").map { String($0).trimmingSpaces }
            let quality = pieces.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            return (pieces.first?.lowercased() ?? "", quality)
        }
    }

    /// Whether JSON may be sent.
    var takesJSON: Bool { quality(of: "application/json") > 0 }

    /// HTML only where it is preferred to JSON, as in the reference.
    var bestForErrors: ErrorForm {
        let (json, html) = (quality(of: "application/json"), quality(of: "text/html"))
        if json == 0, html == 0 { return .plain }
        return html >= json ? .html : .json
    }

    /// The quality that the most specific fitting range gives.
    private func quality(of type: String) -> Double {
        let family = type.prefix { $0 != "/" } + "/*"
        for wanted in [type, String(family), "*/*"] {
            if let range = ranges.first(where: { $0.type == wanted }) { return range.quality }
        }
        return 0
    }
}

extension String {
    /// Without white space at both ends.
    var trimmingSpaces: String {
        let head = drop(while: \.isWhitespace)
        return String(head.reversed().drop(while: \.isWhitespace).reversed())
    }
}

import HTTPService
import WireJSON

/// The links of one request's answers.
///
/// They begin as the client reached us, or with the configured prefix, and name the project where the request did.
struct Links: Sendable {
    /// `http://host/compute/v2.1[/project]`.
    let selfBase: String
    /// `http://host/compute[/project]`: bookmarks have no version.
    let bookmarkBase: String

    init(_ request: HTTPRequest, _ path: ComputePath, prefix configured: String?) {
        let prefix = Self.prefix(request, configured)
        let project = path.project.map { "/\($0)" } ?? ""
        selfBase = "\(prefix)/\(path.base)\(project)"
        bookmarkBase = prefix + project
    }

    /// Where the API is mounted, without a slash at the end. A configured prefix replaces scheme and authority and
    /// comes before the path.
    static func prefix(_ request: HTTPRequest, _ configured: String?) -> String {
        guard let configured else { return request.absoluteURL("") }
        return (configured.hasSuffix("/") ? String(configured.dropLast()) : configured) + request.mountPath
    }

    /// A member `links` with the thing itself and its bookmark.
    func write(_ collection: StaticString, _ id: String, to writer: inout JSONWriter) {
        writer.array("links") { w in
            writeElements(collection, id, to: &w)
        }
    }

    /// The thing itself and its bookmark as elements of an array.
    func writeElements(_ collection: StaticString, _ id: String, to writer: inout JSONWriter) {
        Self.write("self", selfBase, collection, id, to: &writer)
        Self.write("bookmark", bookmarkBase, collection, id, to: &writer)
    }

    private static let rel: JSONKey = "rel"
    private static let href: JSONKey = "href"

    private static func write(
        _ relation: String, _ base: String, _ collection: StaticString, _ id: String, to writer: inout JSONWriter
    ) {
        writer.object { w in
            w.key(rel)
            w.string(relation)
            w.key(href)
            w.string(base, collection, id)
        }
    }

    /// A member `links` with the bookmark alone, as for what a server refers to.
    func writeBookmark(_ collection: StaticString, _ id: String, to writer: inout JSONWriter) {
        writer.array("links") { Self.write("bookmark", bookmarkBase, collection, id, to: &$0) }
    }

    /// One link as an element of an array.
    static func write(_ relation: String, _ target: String, type: String? = nil, to writer: inout JSONWriter) {
        writer.object { w in
            w.field("rel", relation)
            if let type { w.field("type", type) }
            w.field("href", target)
        }
    }

    /// The address of the page after an item: the query as it was sent, sorted, with that marker.
    func next(_ collection: String, query: HTTPQuery, marker: String) -> String {
        var parameters: [(String, String)] = []
        for (name, value) in query where name != "marker" {
            // As in the reference, of a repeated parameter the last value stays.
            parameters.removeAll { $0.0 == name }
            parameters.append((name, value))
        }
        parameters.append(("marker", marker))
        parameters.sort { $0.0 < $1.0 }
        let text = parameters.map { "\(Self.encoded($0.0))=\(Self.encoded($0.1))" }.joined(separator: "&")
        return "\(selfBase)/\(collection)?\(text)"
    }

    /// As in a form: a space is a plus.
    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            case UInt8(ascii: " "): bytes.append(UInt8(ascii: "+"))
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

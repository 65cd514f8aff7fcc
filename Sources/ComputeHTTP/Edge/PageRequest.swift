import HTTPService
import ServiceOptions
import WireJSON

/// The page that a list's query asks for.
struct PageRequest {
    /// The most items that the page holds; 0 asks for none.
    let limit: Int
    /// The item after which the page begins.
    let marker: String?
    private let query: HTTPQuery
    private let links: Links

    /// Of a repeated parameter the last value counts. The query's schema has seen to it that the limit is a number.
    init(_ call: ComputeCall) {
        let most = call.services.options.api.maxLimit
        let asked = call.query.values("limit").last.map { Int($0) ?? .max }
        limit = min(asked ?? most, most)
        marker = call.query.values("marker").last
        query = call.query
        links = call.links
    }

    /// The 400 for a marker that names nothing.
    var unknownMarker: ComputeFault { .badRequest("marker [\(marker ?? "")] not found") }

    /// Writes the member with the address of the next page if this one is full.
    func writeNext(
        _ member: String, _ collection: String, count: Int, last: String?, to writer: inout JSONWriter
    ) {
        guard limit > 0, count == limit, let last else { return }
        writer.array(member) { Links.write("next", links.next(collection, query: query, marker: last), to: &$0) }
    }
}

import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// Lists of servers, by name or with all members.
enum ServerListController {
    static func index(_ call: ComputeCall) async throws -> HTTPResponse {
        let (servers, request) = try await page(call, ServerPolicy.indexAllProjects)
        return await answer(call, servers, request, "servers") { server, w in
            ServerView.writeBrief(server, call.links, to: &w)
        }
    }

    static func detail(_ call: ComputeCall) async throws -> HTTPResponse {
        let (servers, request) = try await page(call, ServerPolicy.detailAllProjects)
        let scene = try await ServerScene(call, project: nil)
        let plan = ServerView.listed.plan(at: call.version)
        return await answer(call, servers, request, "servers/detail") { server, w in
            plan.write(ServerSubject(server, scene), to: &w)
        }
    }

    private static func page(
        _ call: ComputeCall, _ rule: PolicyRule
    ) async throws -> ([InstanceRecord], ServerListRequest) {
        let request = try ServerListRequest(call, allProjects: rule)
        guard let query = request.query, request.pageSize > 0 else { return ([], request) }
        do {
            return (try await call.services.store.instances(query), request)
        } catch StoreError.notFound {
            throw ComputeFault.badRequest("marker [\(query.marker?.description ?? "")] not found")
        }
    }

    /// From how many servers on a list is written by two processors.
    private static let sharedFrom = 32

    /// A full page links to the next one.
    private static func answer(
        _ call: ComputeCall, _ servers: [InstanceRecord], _ request: ServerListRequest, _ collection: String,
        _ write: @escaping @Sendable (InstanceRecord, inout JSONWriter) -> Void
    ) async -> HTTPResponse {
        let middle = servers.count < sharedFrom ? servers.count : servers.count / 2
        async let second = elements(servers[middle...], write)
        let first = elements(servers[..<middle], write)
        let rest = await second
        var writer = JSONWriter(capacity: 512 + first.count + rest.count)
        writer.object { w in
            w.array("servers") { w in
                w.elements(first)
                w.elements(rest)
            }
            if let last = servers.last, servers.count == request.pageSize {
                let next = call.links.next(collection, query: call.request.query, marker: last.id.description)
                w.array("servers_links") { Links.write("next", next, to: &$0) }
            }
        }
        return call.answer(writer)
    }

    private static func elements(
        _ servers: ArraySlice<InstanceRecord>, _ write: (InstanceRecord, inout JSONWriter) -> Void
    ) -> [UInt8] {
        guard !servers.isEmpty else { return [] }
        var writer = JSONWriter(capacity: servers.count * 2048)
        for server in servers { write(server, &writer) }
        return writer.bytes
    }
}

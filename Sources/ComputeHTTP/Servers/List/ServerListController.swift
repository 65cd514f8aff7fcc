import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// Lists of servers, by name or with all members.
enum ServerListController {
    static func index(_ call: ComputeCall) async throws -> HTTPResponse {
        let request = try ServerListRequest(call, allProjects: ServerPolicy.indexAllProjects)
        let servers = try await page(request) { try await call.services.store.instanceNames($0) }
        return answer(call, request, "servers", last: servers.last?.id, count: servers.count) { w in
            for server in servers { ServerView.writeBrief(server, call.links, to: &w) }
        }
    }

    static func detail(_ call: ComputeCall) async throws -> HTTPResponse {
        let request = try ServerListRequest(call, allProjects: ServerPolicy.detailAllProjects)
        let scene = try await ServerScene(call, project: nil)
        let rendered = call.services.rendered
        let listed = try await page(request) { query in
            try await call.services.store.instances(query) { stamp in
                rendered.json(stamp, hostStatus: scene.hostStatus(of: stamp.host), scene.kind).map {
                    ServerText(id: stamp.id, json: $0)
                }
            }
        }
        let plan = ServerView.listed.plan(at: call.version)
        let middle = listed.count < sharedFrom ? listed.count : listed.count / 2
        async let second = texts(listed[middle...], plan, scene, rendered)
        let texts = texts(listed[..<middle], plan, scene, rendered) + (await second)
        return answer(call, request, "servers/detail", last: texts.last?.id, count: texts.count) { w in
            for text in texts { w.raw(text.json) }
        }
    }

    private static func page<Server>(
        _ request: ServerListRequest, _ read: (InstanceQuery) async throws -> [Server]
    ) async throws -> [Server] {
        guard let query = request.query, request.pageSize > 0 else { return [] }
        do {
            return try await read(query)
        } catch StoreError.notFound {
            throw ComputeFault.badRequest("marker [\(query.marker?.description ?? "")] not found")
        }
    }

    /// From how many servers on a list is written by two processors.
    private static let sharedFrom = 32

    /// A server's JSON object.
    private struct ServerText: Sendable {
        let id: InstanceID
        let json: [UInt8]
    }

    /// Each server's object: as it is known, or written now and kept.
    private static func texts(
        _ listed: ArraySlice<ListedInstance<ServerText>>, _ plan: View<ServerSubject>.Plan, _ scene: ServerScene,
        _ rendered: RenderedServers
    ) -> [ServerText] {
        var written: [(number: Int64, entry: RenderedServers.Entry)] = []
        let texts: [ServerText] = listed.map { server in
            switch server {
            case .known(let text): return text
            case .row(let record, let stamp):
                var writer = JSONWriter(capacity: 2048)
                plan.write(ServerSubject(record, scene), to: &writer)
                let json = writer.bytes
                let entry = RenderedServers.Entry(
                    revision: stamp.revision, hostStatus: scene.hostStatus(of: stamp.host), json: json)
                written.append((stamp.number, entry))
                return ServerText(id: stamp.id, json: json)
            }
        }
        rendered.keep(written, scene.kind)
        return texts
    }

    /// A full page links to the next one.
    private static func answer(
        _ call: ComputeCall, _ request: ServerListRequest, _ collection: String, last: InstanceID?, count: Int,
        _ write: (inout JSONWriter) -> Void
    ) -> HTTPResponse {
        var writer = JSONWriter(capacity: 512 + count * 2048)
        writer.object { w in
            w.array("servers") { write(&$0) }
            if let last, count == request.pageSize {
                let next = call.links.next(collection, query: call.request.query, marker: last.description)
                w.array("servers_links") { Links.write("next", next, to: &$0) }
            }
        }
        return call.answer(writer)
    }
}

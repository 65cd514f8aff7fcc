import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Identity
import ServiceOptions
import WireJSON

/// What was done with a server. From 2.21 on also with one that is deleted.
enum ActionHistoryController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.actionList, includingDeleted: call.has(21))
        let page = try ActionPage(call)
        let actions = try await page.actions(of: server, call)
        return call.answer { w in
            w.array("instanceActions") { w in
                for action in actions { ActionView.action.write(action, at: call.version, to: &w) }
            }
            if call.has(58), page.limit > 0, let last = actions.last, actions.count == page.limit {
                let collection = "servers/\(server.id)/os-instance-actions"
                let next = call.links.next(collection, query: call.request.query, marker: last.requestID)
                w.array("links") { Links.write("next", next, to: &$0) }
            }
        }
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.actionShow, includingDeleted: call.has(21))
        let requestID = call.parameter("request_id")
        guard let (action, events) = try await call.services.store.action(of: server.id, requestID: requestID) else {
            throw ComputeFault.notFound("Action \(requestID) not found")
        }
        let scene = EventScene(call, server)
        return call.answer { w in
            w.object("instanceAction") { w in
                ActionView.action.plan(at: call.version).writeMembers(action, to: &w)
                guard scene.isShown else { return }
                w.array("events") { w in
                    for event in events { ActionView.event.write((event, scene), at: call.version, to: &w) }
                }
            }
        }
    }
}

/// Which part of a server's history a list asks for.
struct ActionPage {
    let limit: Int
    private let marker: String?
    private let since: Timestamp?
    private let before: Timestamp?

    init(_ call: ComputeCall) throws(ComputeFault) {
        guard call.has(58) else {
            (limit, marker, since, before) = (1000, nil, nil, nil)
            return
        }
        func moment(_ name: String) throws(ComputeFault) -> Timestamp? {
            guard let text = call.query[name] else { return nil }
            guard let moment = Timestamp(iso8601: text) else { throw .badRequest("Invalid filter field: \(name).") }
            return moment
        }
        let max = call.services.options.api.maxLimit
        limit = min(call.query["limit"].flatMap { Int($0) } ?? max, max)
        marker = call.query["marker"]
        since = try moment("changes-since")
        before = try moment("changes-before")
        if let since, let before, before < since {
            throw .badRequest("The value of changes-since must be less than or equal to changes-before.")
        }
    }

    func actions(of server: InstanceRecord, _ call: ComputeCall) async throws -> [ActionRecord] {
        do {
            return try await call.services.store.actions(
                of: server.id, since: since, before: before, marker: marker, limit: limit)
        } catch StoreError.notFound {
            throw ComputeFault.badRequest("Marker \(marker ?? "") could not be found.")
        }
    }
}

/// What a caller may see of an action's events.
struct EventScene {
    let isShown: Bool
    let showsTrace: Bool
    let showsDetails: Bool
    let project: String

    init(_ call: ComputeCall, _ server: InstanceRecord) {
        let target = PolicyTarget(projectID: server.projectID)
        showsTrace = call.allows(ServerDetailPolicy.actionEvents, target)
        isShown = showsTrace || call.has(51)
        showsDetails = call.has(84) && call.allows(ServerDetailPolicy.actionEventDetails, target)
        project = server.projectID
    }
}

/// How actions and their events are shown.
enum ActionView {
    static let action = View<ActionRecord>([
        ViewField("action", always) { $1.string($0.action) },
        ViewField("instance_uuid", always) { $1.string($0.instance.description) },
        ViewField("request_id", always) { $1.string($0.requestID) },
        ViewField("user_id", always) { $1.string(present($0.userID)) },
        ViewField("project_id", always) { $1.string(present($0.projectID)) },
        ViewField("start_time", always) { $1.preciseTime($0.startedAt) },
        ViewField("message", always) { $1.string($0.message) },
        ViewField("updated_at", .since(v(58))) { $1.preciseTime($0.updatedAt) },
    ])

    static let event = View<(event: ActionEventRecord, scene: EventScene)>([
        ViewField("event", always) { $1.string($0.event.event) },
        ViewField("start_time", always) { $1.preciseTime($0.event.startedAt) },
        ViewField("finish_time", always) { $1.preciseTime($0.event.finishedAt) },
        ViewField("result", always) { $1.string($0.event.result) },
        ViewField("traceback", always, when: { $0.scene.showsTrace }) { $1.string($0.event.trace) },
        ViewField("host", .since(v(62)), when: { $0.scene.showsTrace }) { $1.string($0.event.host ?? "") },
        ViewField("hostId", .since(v(62))) { subject, w in
            w.string(HostIdentifier.text(host: subject.event.host, project: subject.scene.project))
        },
        ViewField("details", .since(v(84)), when: { $0.scene.showsDetails }) { $1.string($0.event.details) },
    ])

    /// Absent identifiers are null: an empty one is none.
    private static func present(_ text: String) -> String? { text.isEmpty ? nil : text }
}

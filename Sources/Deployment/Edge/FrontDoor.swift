import DriverAPI
import HTTPService
import WireJSON

/// What stands behind the one listener: health for load balancers, and the APIs once they are there.
final class FrontDoor: HTTPResponder {
    private struct State: Sendable {
        var apis: (any HTTPResponder)?
        /// What is not ready, and why.
        var troubles: [String: String] = ["start": "the services are starting"]
        var looks: [@Sendable () -> [String: String]] = []
    }
    private let state = Locked(State())

    init() {}

    /// Adds a part that is asked at each look at readiness: what is not ready, and why.
    func watch(_ look: @escaping @Sendable () -> [String: String]) { state.with { $0.looks.append(look) } }

    /// Puts the APIs behind the listener.
    func install(_ apis: any HTTPResponder) { state.with { $0.apis = apis } }

    /// Notes that a part is not ready, or is (`nil`).
    func note(_ part: String, _ trouble: String?) { state.with { $0.troubles[part] = trouble } }

    func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? {
        switch request.path {
        case "/healthz": return .json(200, ["status": "ok"])
        case "/readyz": return ready()
        default: return state.with { $0.apis }?.respondAtOnce(to: request)
        }
    }

    func respond(to request: HTTPRequest) async -> HTTPResponse {
        if request.path == "/healthz" || request.path == "/readyz" {
            return respondAtOnce(to: request) ?? .empty(503)
        }
        guard let apis = state.with({ $0.apis }) else {
            var response = HTTPResponse.refusal(503, "The services are starting.")
            response.headers.add(name: "Retry-After", value: "1")
            return response
        }
        return await apis.respond(to: request)
    }

    private func ready() -> HTTPResponse {
        let (noted, looks) = state.with { ($0.troubles, $0.looks) }
        let troubles = looks.reduce(noted) { $0.merging($1()) { $1 } }
        guard !troubles.isEmpty else { return .json(200, ["status": "ready"]) }
        let causes = troubles.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
        return .json(503, ["status": "not ready", "causes": .object(JSONObject(causes))])
    }
}

/// Answers for paths that belong to no API: the list of those that there are.
struct DoorPlate: HTTPResponder {
    let mounts: [String]

    func respond(to request: HTTPRequest) async -> HTTPResponse { answer(request) }
    func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? { answer(request) }

    private func answer(_ request: HTTPRequest) -> HTTPResponse {
        guard request.path == "/" else {
            return .refusal(404, "There is no service at \(request.path); services: \(mounts.joined(separator: ", ")).")
        }
        let services = mounts.map { ($0, JSONValue.string(request.baseURL + $0)) }
        return .json(200, ["services": .object(JSONObject(services))])
    }
}

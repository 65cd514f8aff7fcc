import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Identity
import Logging
import Messaging
import WireJSON

/// One request on its way through an operation. Body and query fit the schemas of the version asked for.
struct ComputeCall: Sendable {
    let services: ComputeServices
    let request: HTTPRequest
    let context: RequestContext
    let version: Microversion
    let endpoint: ComputeEndpoint
    let parameters: RouteParameters
    /// The query's parameters that the operation knows, in the order in which they were sent.
    let query: HTTPQuery
    /// The body; null where there is none.
    let body: JSONValue
    let links: Links

    /// A part of the path by its name in the row.
    func parameter(_ name: String) -> String { parameters[name] ?? "" }

    /// Whether the version asked for is 2.`minor` or later.
    func has(_ minor: Int) -> Bool { version >= v(minor) }

    // MARK: Policy

    /// - Throws: `PolicyRefusal` (403).
    func require(_ rule: PolicyRule, _ target: PolicyTarget) throws(PolicyRefusal) {
        try services.policy.require(rule, context, target)
    }

    /// Whether a rule allows; for what an answer shows.
    func allows(_ rule: PolicyRule, _ target: PolicyTarget? = nil) -> Bool {
        services.policy.allows(rule, context, target)
    }

    /// The caller's project.
    ///
    /// - Throws: a 403 for tokens that are scoped to none.
    func project() throws(ComputeFault) -> String {
        guard let project = context.projectID else {
            throw ComputeFault(status: 403, message: "The token is not scoped to a project.", isCommon: true)
        }
        return project
    }

    /// Refuses a project that the identity service does not know. Where it does not say, the project passes, as in the
    /// reference: rights to look, or the service itself, may be missing.
    ///
    /// - Throws: a 400 in the reference's words.
    func requireProject(_ project: String) async throws(ComputeFault) {
        // The caller's own was just seen in the token.
        guard project != context.projectID else { return }
        do {
            guard try await !services.projects.projectExists(project) else { return }
        } catch {
            services.logger.info(
                "a project cannot be looked up", metadata: ["project": "\(project)", "error": "\(error)"])
            return
        }
        throw .badRequest("Project ID \(project) is not a valid project.")
    }

    /// Who did it, for the record of actions.
    func origin() throws(ComputeFault) -> ActionOrigin {
        ActionOrigin(requestID: context.requestID, userID: context.userID, projectID: context.projectID ?? "")
    }

    /// Who caused a message, for its receiver's log.
    var messageOrigin: MessageOrigin {
        MessageOrigin(
            requestID: context.requestID, globalRequestID: context.globalRequestID, userID: context.userID,
            projectID: context.projectID)
    }

    // MARK: Answers

    /// A JSON answer with the row's status of success.
    func answer(_ writer: borrowing JSONWriter) -> HTTPResponse {
        .json(endpoint.successStatus(at: version), writer.bytes)
    }

    /// A JSON answer with the row's status of success.
    func answer(_ write: (inout JSONWriter) -> Void) -> HTTPResponse {
        var writer = JSONWriter(capacity: 1024)
        writer.object { write(&$0) }
        return answer(writer)
    }

    /// An answer without a body, with the row's status of success.
    func answer() -> HTTPResponse {
        // The reference labels empty answers too.
        HTTPResponse(
            status: endpoint.successStatus(at: version), headers: ["Content-Type": "application/json"], body: .empty)
    }
}

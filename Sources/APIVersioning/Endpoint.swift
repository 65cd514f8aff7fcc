/// One operation of an API over a span of microversions.
package struct Endpoint<Action: Sendable>: Sendable {
    /// The HTTP method in capitals.
    package let method: String
    /// The path with its parameters in braces: `/servers/{server_id}/action`.
    package let path: String
    /// The versions that have it.
    package let span: VersionSpan
    /// The only member of the body by which a `POST …/action` chooses this operation.
    package let action: String?
    /// The policy rule that decides who may; nil for what everybody may, such as version documents.
    package let policy: String?
    /// The error statuses that the operation may answer. Any other one is a defect and becomes 500.
    package let errors: Set<Int>
    /// The body's schema; nil in a version that takes no body, or whose body is not looked at.
    package let body: Versioned<JSONSchema?>?
    /// The schema of the query, whose members are arrays of strings; nil where the query is not looked at.
    package let query: Versioned<JSONSchema?>?
    /// The status of success.
    package let success: Versioned<Int>
    /// What carries the operation out.
    package let run: Action

    /// An operation. `success` defaults to 200 in all versions.
    package init(
        _ method: String, _ path: String, _ span: VersionSpan,
        action: String? = nil,
        policy: String?,
        errors: Set<Int> = [],
        body: Versioned<JSONSchema?>? = nil,
        query: Versioned<JSONSchema?>? = nil,
        success: Versioned<Int>? = nil,
        run: Action
    ) {
        (self.method, self.path, self.span, self.action) = (method, path, span, action)
        (self.policy, self.errors, self.body, self.query) = (policy, errors, body, query)
        self.success = success ?? Versioned(since: span.introduced, 200)
        self.run = run
    }

    /// "POST /servers/{server_id}/action (os-start)".
    package var title: String { "\(method) \(path)" + (action.map { " (\($0))" } ?? "") }

    /// The body's schema at a version; nil when there is none.
    package func bodySchema(at version: Microversion) -> JSONSchema? { body?[version] ?? nil }

    /// The query's schema at a version; nil when there is none.
    package func querySchema(at version: Microversion) -> JSONSchema? { query?[version] ?? nil }

    /// The status of success at a version.
    package func successStatus(at version: Microversion) -> Int { success[version] ?? success.entries[0].value }
}

/// What a table has for a request.
package enum EndpointLookup<Action: Sendable>: Sendable {
    /// The operation.
    case found(Endpoint<Action>)
    /// The path is unknown, or the operation does not exist at that version: 404.
    case notFound
    /// The path is known but in no version with that method: 405, with the methods that it has.
    case methodNotAllowed(allowed: [String])
    /// The path takes actions but in no version this one: 400, "There is no such action: …".
    case noSuchAction(String)
}

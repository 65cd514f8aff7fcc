/// An operation that a rule guards.
package struct PolicyOperation: Sendable, Hashable {
    package let method: String
    /// The path below `/v2.1`, with the action's name in parentheses where there is one.
    package let path: String

    package static func get(_ path: String) -> PolicyOperation { PolicyOperation(method: "GET", path: path) }
    package static func put(_ path: String) -> PolicyOperation { PolicyOperation(method: "PUT", path: path) }
    package static func post(_ path: String) -> PolicyOperation { PolicyOperation(method: "POST", path: path) }
    package static func delete(_ path: String) -> PolicyOperation { PolicyOperation(method: "DELETE", path: path) }
    /// An action on a server.
    package static func action(_ name: String) -> PolicyOperation { .post("/servers/{server_id}/action (\(name))") }
}

/// A rule as declared in the program: nova's name, the check when nobody overrides it, and what it guards.
package struct PolicyRule: Sendable, Hashable {
    package let name: String
    package let check: String
    package let description: String
    package let operations: [PolicyOperation]
    /// Tokens of other scopes are refused, whatever the check says. Empty: any scope.
    package let scopes: [PolicyScope]

    package init(
        _ name: String, _ check: String, _ description: String, _ operations: [PolicyOperation] = [],
        scopes: [PolicyScope] = [.project]
    ) {
        (self.name, self.check, self.description) = (name, check, description)
        (self.operations, self.scopes) = (operations, scopes)
    }
}

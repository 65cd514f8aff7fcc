import Database
import WireJSON

/// A kind of resource: how it is called, kept, shown and changed.
struct ResourceKind: Sendable {
    /// An indexed column and the attribute it repeats.
    struct Column: Sendable {
        let name: String
        let attribute: String
        init(_ name: String, _ attribute: String? = nil) {
            (self.name, self.attribute) = (name, attribute ?? name)
        }
    }

    /// `security-groups`
    let path: String
    /// `security_groups`; also the table.
    let collection: String
    /// `security_group`; also the name of its quota.
    let member: String
    let columns: [Column]
    let attributes: AttributeTable
    /// Whether services have an administrator's rights on it.
    var servesServices = false
    let missing: @Sendable (String) -> NetworkFault
    /// Besides the project's own: a condition on the table for what others may see too.
    var alsoVisible: @Sendable (Caller) -> SQL? = { _ in nil }
    /// Makes it of checked attributes; returns the document that it has stored.
    let create: @Sendable (NetworkWork, JSONObject) throws -> JSONObject
    /// Applies checked changes; returns the document that it has stored.
    let update: @Sendable (NetworkWork, JSONObject, JSONObject) throws -> JSONObject
    let delete: @Sendable (NetworkWork, JSONObject) throws -> Void
    /// Adds to documents what is not kept in them.
    var complete: @Sendable (NetworkWork, [JSONObject]) throws -> [JSONObject] = { $1 }

    static let all: [ResourceKind] = [
        .network, .subnet, .port, .router, .floatingIP, .securityGroup, .securityGroupRule,
    ]

    func hasRights(_ caller: Caller) -> Bool {
        caller.isAdmin || (servesServices && caller.isService)
    }
}

/// Who asks.
struct Caller: Sendable, Hashable {
    var projectID: String
    var isAdmin: Bool
    var isService: Bool
    var canWrite: Bool
}

extension JSONObject {
    func text(_ key: String) -> String { self[key]?.string ?? "" }
    func flag(_ key: String) -> Bool { self[key]?.bool ?? false }
    func items(_ key: String) -> [JSONValue] { self[key]?.array ?? [] }
    func texts(_ key: String) -> [String] { items(key).compactMap(\.string) }
    var id: String { text("id") }
    var projectID: String { text("project_id") }
    mutating func merge(_ other: JSONObject) { for (key, value) in other.members { set(key, value) } }
}

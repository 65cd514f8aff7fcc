import ComputeModel
import Database
import WireJSON

/// One request's work in one transaction: rows in, rows out, and what others must be told once it is committed.
///
/// Made anew for each run of a transaction, and never kept beyond it.
final class NetworkWork {
    let connection: SQLConnection
    let caller: Caller
    let options: NetworkStandInOptions
    let now: Timestamp
    private(set) var changes: Set<NetworkChange> = []
    private(set) var changedDevices: Set<String> = []

    init(_ connection: SQLConnection, caller: Caller, options: NetworkStandInOptions, now: Timestamp) {
        (self.connection, self.caller, self.options, self.now) = (connection, caller, options, now)
    }

    // MARK: - What others are told

    func changed(network: String) {
        if let id = NetworkID(network) { changes.insert(.network(id)) }
    }
    func changedEverything() { changes.insert(.everything) }
    func changed(device: String) { if !device.isEmpty { changedDevices.insert(device) } }

    /// All that was noted, a change of everything in place of those of single networks.
    var notices: [NetworkChange] {
        var notices: [NetworkChange] = changes.contains(.everything) ? [.everything] : Array(changes)
        if !changedDevices.isEmpty { notices.append(.devices(changedDevices)) }
        return notices
    }

    // MARK: - Documents

    static func parse(_ row: SQLRow) throws -> JSONObject {
        guard case .object(let object) = try JSONParser.parse(try row.blob(0)) else {
            throw DatabaseError.decoding("a document is no object")
        }
        return object
    }

    /// Documents of a kind, ordered by their identifiers.
    func all(_ kind: ResourceKind, _ condition: SQL) throws -> [JSONObject] {
        try connection.map(
            "SELECT document FROM \(ident: kind.collection) WHERE \(condition) ORDER BY id", Self.parse)
    }

    func find(_ kind: ResourceKind, _ id: String) throws -> JSONObject? {
        try connection.first(
            "SELECT document FROM \(ident: kind.collection) WHERE id = \(id)", Self.parse)
    }

    /// A resource that must exist, whoever may see it.
    func existing(_ kind: ResourceKind, _ id: String) throws -> JSONObject {
        guard let found = try find(kind, id) else { throw kind.missing(id) }
        return found
    }

    /// The condition of the rows that the caller may see; `nil` where it is all of them.
    func visibility(_ kind: ResourceKind) -> SQL? {
        guard !kind.hasRights(caller) else { return nil }
        let own: SQL = "project_id = \(caller.projectID)"
        guard let others = kind.alsoVisible(caller) else { return own }
        return "(\(own) OR \(others))"
    }

    /// A resource that must exist and be the caller's to see.
    func visible(_ kind: ResourceKind, _ id: String) throws -> JSONObject {
        var condition: SQL = "id = \(id)"
        if let limit = visibility(kind) { condition += " AND \(limit)" }
        let found = try connection.first(
            "SELECT document FROM \(ident: kind.collection) WHERE \(condition)", Self.parse)
        guard let found else { throw kind.missing(id) }
        return found
    }

    /// A resource that must be the caller's to change.
    func owned(_ kind: ResourceKind, _ id: String, for operation: String) throws -> JSONObject {
        let found = try visible(kind, id)
        guard kind.hasRights(caller) || found.projectID == caller.projectID else {
            throw NetworkFault.forbidden("\(operation)_\(kind.member)")
        }
        return found
    }

    /// What every new resource has.
    func stamped(
        _ attributes: JSONObject, project: String, id: String = UUIDValue.random().description
    ) -> JSONObject {
        var document: JSONObject = [
            "id": .string(id), "project_id": .string(project), "tenant_id": .string(project),
            "created_at": .string(now.iso8601), "updated_at": .string(now.iso8601), "revision_number": 1,
            "tags": [],
        ]
        document.merge(attributes)
        return document
    }

    func insert(_ kind: ResourceKind, _ document: JSONObject) throws {
        let names = ["id", "project_id"] + kind.columns.map(\.name) + ["document"]
        let values: [any SQLBindable] =
            [document.id, document.projectID] + kind.columns.map { Self.column(document[$0.attribute]) }
            + [JSONValue.object(document).serialized()]
        try connection.execute(
            "INSERT INTO \(ident: kind.collection) (\(idents: names)) VALUES (\(values: values))")
    }

    /// Stores a changed document and returns it with its new revision.
    @discardableResult
    func save(_ kind: ResourceKind, _ document: JSONObject) throws -> JSONObject {
        var document = document
        document.set("updated_at", .string(now.iso8601))
        document.set("revision_number", JSONValue((document["revision_number"]?.int ?? 0) + 1))
        var assignments = kind.columns.map { column -> SQL in
            "\(ident: column.name) = \(Self.column(document[column.attribute]))"
        }
        assignments.append("document = \(JSONValue.object(document).serialized())")
        try connection.execute(
            "UPDATE \(ident: kind.collection) SET \(assignments.joined(separator: ", ")) WHERE id = \(document.id)"
        )
        return document
    }

    func remove(_ kind: ResourceKind, _ id: String) throws {
        try connection.execute("DELETE FROM \(ident: kind.collection) WHERE id = \(id)")
    }

    private static func column(_ value: JSONValue?) -> SQLValue {
        switch value {
        case .string(let text): .text(text)
        case .bool(let flag): .integer(flag ? 1 : 0)
        case .int(let number): .integer(number)
        case .null, .double, .array, .object, nil: .null
        }
    }
}

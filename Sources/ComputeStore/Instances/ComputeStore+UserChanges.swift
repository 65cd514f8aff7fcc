package import ComputeModel
import Database

/// What a user may change of a server directly. `nil` leaves a thing as it is.
package struct InstanceChanges: Sendable {
    package var name: String?
    /// The inner `nil` removes it.
    package var description: String??
    package var hostname: String?
    package var accessIPv4: String??
    package var accessIPv6: String??
    package var autoDiskConfig: Bool?
    /// The zone that the server must not leave; the inner `nil` lets it go.
    package var pinnedZone: String??

    package init(
        name: String? = nil, description: String?? = nil, hostname: String? = nil, accessIPv4: String?? = nil,
        accessIPv6: String?? = nil, autoDiskConfig: Bool? = nil, pinnedZone: String?? = nil
    ) {
        self.name = name
        self.description = description
        self.hostname = hostname
        self.accessIPv4 = accessIPv4
        self.accessIPv6 = accessIPv6
        self.autoDiskConfig = autoDiskConfig
        self.pinnedZone = pinnedZone
    }
}

extension ComputeStore {
    /// Changes a server's descriptive fields.
    ///
    /// - Throws: ``StoreError/notFound(_:)``.
    package func update(_ id: InstanceID, _ changes: InstanceChanges) async throws {
        let at = now()
        try await database.transaction { connection in
            var assignments: [SQL] = ["updated_at = \(at)"]
            if let name = changes.name { assignments.append("display_name = \(name)") }
            if let description = changes.description { assignments.append("description = \(description)") }
            if let hostname = changes.hostname { assignments.append("hostname = \(hostname)") }
            if let address = changes.accessIPv4 { assignments.append("access_ip_v4 = \(address)") }
            if let address = changes.accessIPv6 { assignments.append("access_ip_v6 = \(address)") }
            if let isAuto = changes.autoDiskConfig { assignments.append("auto_disk_config = \(isAuto)") }
            if let zone = changes.pinnedZone { assignments.append("pinned_zone = \(zone)") }
            try Self.set(assignments, on: id, connection)
        }
    }

    /// Replaces a server's metadata by what `change` makes of it, in one transaction.
    ///
    /// - Returns: the metadata afterwards.
    /// - Throws: ``StoreError/notFound(_:)`` and whatever `change` throws.
    package func changeMetadata(
        of id: InstanceID, _ change: @escaping @Sendable (inout [String: String]) throws -> Void
    ) async throws -> [String: String] {
        let at = now()
        return try await database.transaction { connection in
            try Self.takeTurn(on: id, at: at, connection)
            var metadata = try Self.stored([String: String].self, "metadata", of: id, connection)
            try change(&metadata)
            try Self.set(["metadata = \(try StoredJSON.encode(metadata))", "updated_at = \(at)"], on: id, connection)
            return metadata
        }
    }

    /// Replaces a server's tags by what `change` makes of them, in one transaction.
    ///
    /// - Returns: the tags afterwards, sorted.
    /// - Throws: ``StoreError/notFound(_:)`` and whatever `change` throws.
    package func changeTags(
        of id: InstanceID, _ change: @escaping @Sendable (inout Set<String>) throws -> Void
    ) async throws -> [String] {
        let at = now()
        return try await database.transaction { connection in
            try Self.takeTurn(on: id, at: at, connection)
            var tags = Set(try Self.stored([String].self, "tags", of: id, connection))
            try change(&tags)
            let sorted = tags.sorted()
            try Self.set(["tags = \(try StoredJSON.encode(sorted))", "updated_at = \(at)"], on: id, connection)
            try connection.execute("DELETE FROM instance_tags WHERE instance = \(id)")
            for tag in sorted {
                try connection.execute("INSERT INTO instance_tags (instance, tag) VALUES (\(id), \(tag))")
            }
            return sorted
        }
    }

    /// Locks or unlocks a server.
    ///
    /// - Throws: ``StoreError/notFound(_:)``.
    package func setLock(_ lock: LockState, on id: InstanceID) async throws {
        let at = now()
        try await database.transaction { connection in
            switch lock {
            case .unlocked:
                try Self.set(["locked_by = NULL", "locked_reason = NULL", "updated_at = \(at)"], on: id, connection)
            case .locked(let byOwner, let reason):
                try Self.set(
                    [
                        "locked_by = \(byOwner ? "owner" : "admin")", "locked_reason = \(reason)",
                        "updated_at = \(at)",
                    ], on: id, connection)
            }
        }
    }

    static func set(_ assignments: [SQL], on id: InstanceID, _ connection: SQLConnection) throws {
        let changed = try connection.execute(
            """
            UPDATE instances SET \(InstanceStamp.renewal), \(assignments.joined(separator: ", "))
            WHERE uuid = \(id) AND deleted = 0
            """)
        guard changed.rowsChanged == 1 else { throw StoreError.notFound("Instance \(id) could not be found.") }
    }

    private static func takeTurn(on id: InstanceID, at: Timestamp, _ connection: SQLConnection) throws {
        try connection.takeTurn(by: "UPDATE instances SET updated_at = \(at) WHERE uuid = \(id) AND deleted = 0")
    }

    private static func stored<Value: Decodable>(
        _ type: Value.Type, _ column: String, of id: InstanceID, _ connection: SQLConnection
    ) throws -> Value {
        let text = try connection.first(
            "SELECT \(ident: column) FROM instances WHERE uuid = \(id) AND deleted = 0") { try $0.string(0) }
        guard let text else { throw StoreError.notFound("Instance \(id) could not be found.") }
        return try StoredJSON.decode(type, text)
    }
}

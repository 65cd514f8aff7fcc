package import ComputeModel
import Database

/// A flavor.
package struct FlavorRecord: Sendable, Equatable {
    /// Counts up with creation.
    package var number: Int64
    /// The identifier users see; not always a UUID.
    package var flavorID: String
    package var name: String
    package var vcpus: Int
    package var memoryMiB: Int
    package var rootGiB: Int
    package var ephemeralGiB: Int
    package var swapMiB: Int
    package var rxtxFactor: Double
    package var isPublic: Bool
    package var isDisabled: Bool
    package var description: String?
    package var extraSpecs: [String: String]
    package var createdAt: Timestamp
    package var updatedAt: Timestamp?

    package init(
        number: Int64 = 0, flavorID: String, name: String, vcpus: Int, memoryMiB: Int, rootGiB: Int,
        ephemeralGiB: Int = 0, swapMiB: Int = 0, rxtxFactor: Double = 1, isPublic: Bool = true,
        isDisabled: Bool = false, description: String? = nil, extraSpecs: [String: String] = [:],
        createdAt: Timestamp = Timestamp(microseconds: 0), updatedAt: Timestamp? = nil
    ) {
        self.number = number
        self.flavorID = flavorID
        self.name = name
        self.vcpus = vcpus
        self.memoryMiB = memoryMiB
        self.rootGiB = rootGiB
        self.ephemeralGiB = ephemeralGiB
        self.swapMiB = swapMiB
        self.rxtxFactor = rxtxFactor
        self.isPublic = isPublic
        self.isDisabled = isDisabled
        self.description = description
        self.extraSpecs = extraSpecs
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// The sizes that a server made from it keeps.
    package var spec: FlavorSpec {
        FlavorSpec(
            flavorID: flavorID, name: name, vcpus: vcpus, memoryMiB: memoryMiB, rootGiB: rootGiB,
            ephemeralGiB: ephemeralGiB, swapMiB: swapMiB, extraSpecs: extraSpecs)
    }
}

/// Which flavors to list.
package struct FlavorQuery: Sendable {
    /// A column to sort by.
    package enum SortKey: String, Sendable, CaseIterable {
        case flavorID = "flavor_id"
        case number
        case name
        case memoryMiB = "memory_mib"
        case vcpus
        case rootGiB = "root_gib"
        case ephemeralGiB = "ephemeral_gib"
        case swapMiB = "swap_mib"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case isPublic = "is_public"
        case isDisabled = "disabled"
        case rxtxFactor = "rxtx_factor"
        case description
    }
    /// `true` public ones, `false` private ones, `nil` both.
    package var isPublic: Bool?
    /// Private ones only where this project has access; `nil` for an administrator who sees all.
    package var accessOf: String?
    package var minMemoryMiB: Int?
    package var minRootGiB: Int?
    package var name: String?
    package var sortKey: SortKey = .flavorID
    package var ascending = true
    /// Begin after this flavor.
    package var marker: String?
    package var limit = 1000

    package init() {}
}

extension ComputeStore {
    private static let flavorColumns: SQL = """
        number, flavor_id, name, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, rxtx_factor, is_public, \
        disabled, description, extra_specs, created_at, updated_at
        """

    private static func flavor(_ row: SQLRow) throws -> FlavorRecord {
        FlavorRecord(
            number: try row.int64(0), flavorID: try row.string(1), name: try row.string(2), vcpus: try row.int(3),
            memoryMiB: try row.int(4), rootGiB: try row.int(5), ephemeralGiB: try row.int(6),
            swapMiB: try row.int(7), rxtxFactor: try row.double(8), isPublic: try row.bool(9),
            isDisabled: try row.bool(10), description: try row.optionalString(11),
            extraSpecs: try StoredJSON.decode([String: String].self, try row.string(12)),
            createdAt: try row.timestamp(13), updatedAt: try row.optionalTimestamp(14))
    }

    /// A flavor that a project may use.
    ///
    /// - Parameter project: `nil` for an administrator who sees all.
    package func flavor(_ id: String, accessOf project: String? = nil) async throws -> FlavorRecord? {
        try await database.read { connection in
            var condition: SQL = "flavor_id = \(id)"
            if let project { condition += " AND \(Self.mayUse(project))" }
            return try connection.first("SELECT \(Self.flavorColumns) FROM flavors WHERE \(condition)", Self.flavor)
        }
    }

    private static func mayUse(_ project: String) -> SQL {
        """
        (is_public = 1 OR flavor_id IN (SELECT flavor_id FROM flavor_access WHERE project_id = \(project)))
        """
    }

    /// The flavors that a query asks for.
    ///
    /// - Throws: ``StoreError/notFound(_:)`` when the marker is not a flavor.
    package func flavors(_ query: FlavorQuery) async throws -> [FlavorRecord] {
        try await database.read { connection in
            var conditions: [SQL] = ["1 = 1"]
            if let isPublic = query.isPublic { conditions.append("is_public = \(isPublic)") }
            if let project = query.accessOf { conditions.append(Self.mayUse(project)) }
            if let least = query.minMemoryMiB { conditions.append("memory_mib >= \(least)") }
            if let least = query.minRootGiB { conditions.append("root_gib >= \(least)") }
            if let name = query.name { conditions.append("name = \(name)") }
            let key = query.sortKey.rawValue
            let direction = connection.dialect.order(ascending: query.ascending)
            if let marker = query.marker {
                let found = try connection.first(
                    "SELECT \(ident: key), number FROM flavors WHERE flavor_id = \(marker)"
                ) { ($0[0], $0[1]) }
                guard let (value, number) = found else { throw StoreError.notFound("marker [\(marker)] not found") }
                conditions.append(Self.after(value, number, key: key, ascending: query.ascending))
            }
            return try connection.map(
                """
                SELECT \(Self.flavorColumns) FROM flavors WHERE \(conditions.joined(separator: " AND "))
                ORDER BY \(ident: key) \(direction), number \(direction) LIMIT \(query.limit)
                """,
                Self.flavor)
        }
    }

    /// The condition of standing after a flavor in the order. Absent values sort first.
    private static func after(_ value: SQLValue, _ number: SQLValue, key: String, ascending: Bool) -> SQL {
        switch (value, ascending) {
        case (.null, true): "(\(ident: key) IS NOT NULL OR number > \(number))"
        case (.null, false): "(\(ident: key) IS NULL AND number < \(number))"
        case (_, true): "(\(ident: key) > \(value) OR (\(ident: key) = \(value) AND number > \(number)))"
        case (_, false):
            """
            (\(ident: key) < \(value) OR \(ident: key) IS NULL OR (\(ident: key) = \(value) AND number < \(number)))
            """
        }
    }

    /// Stores a new flavor.
    ///
    /// - Throws: ``StoreError/exists(_:)`` for an identifier or name that is taken.
    package func create(_ flavor: FlavorRecord, accessFor project: String? = nil) async throws -> FlavorRecord {
        let at = now()
        var stored = flavor
        stored.createdAt = at
        let new = stored
        stored.number = try await database.transaction { connection in
            try Self.requireFree(
                "flavor_id", new.flavorID, "Flavor with ID \(new.flavorID) already exists.", connection)
            try Self.requireFree("name", new.name, "Flavor with name \(new.name) already exists.", connection)
            try connection.execute(
                """
                INSERT INTO flavors (flavor_id, name, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib,
                    rxtx_factor, is_public, disabled, description, extra_specs, created_at)
                VALUES (\(new.flavorID), \(new.name), \(new.vcpus), \(new.memoryMiB), \(new.rootGiB),
                    \(new.ephemeralGiB), \(new.swapMiB), \(new.rxtxFactor), \(new.isPublic), \(new.isDisabled),
                    \(new.description), \(try StoredJSON.encode(new.extraSpecs)), \(at))
                """)
            if let project {
                try connection.execute(
                    "INSERT INTO flavor_access (flavor_id, project_id) VALUES (\(new.flavorID), \(project))")
            }
            return try connection.first("SELECT number FROM flavors WHERE flavor_id = \(new.flavorID)") {
                try $0.int64(0)
            } ?? 0
        }
        return stored
    }

    private static func requireFree(
        _ column: String, _ value: String, _ message: String, _ connection: SQLConnection
    ) throws {
        let taken = try connection.first("SELECT 1 FROM flavors WHERE \(ident: column) = \(value)") { _ in true }
        if taken != nil { throw StoreError.exists(message) }
    }

    /// Changes a flavor's description (2.55).
    ///
    /// - Throws: ``StoreError/notFound(_:)``.
    package func describeFlavor(_ id: String, _ description: String?) async throws {
        let at = now()
        try await database.transaction { connection in
            let changed = try connection.execute(
                "UPDATE flavors SET description = \(description), updated_at = \(at) WHERE flavor_id = \(id)")
            guard changed.rowsChanged == 1 else { throw StoreError.notFound("Flavor \(id) could not be found.") }
        }
    }

    /// Deletes a flavor. Servers made from it keep its sizes.
    ///
    /// - Throws: ``StoreError/notFound(_:)``.
    package func deleteFlavor(_ id: String) async throws {
        try await database.transaction { connection in
            let changed = try connection.execute("DELETE FROM flavors WHERE flavor_id = \(id)")
            guard changed.rowsChanged == 1 else { throw StoreError.notFound("Flavor \(id) could not be found.") }
            try connection.execute("DELETE FROM flavor_access WHERE flavor_id = \(id)")
        }
    }

    /// Replaces a flavor's extra specs by what `change` makes of them, in one transaction.
    ///
    /// - Returns: the extra specs afterwards.
    /// - Throws: ``StoreError/notFound(_:)`` and whatever `change` throws.
    package func changeExtraSpecs(
        of id: String, _ change: @escaping @Sendable (inout [String: String]) throws -> Void
    ) async throws -> [String: String] {
        let at = now()
        return try await database.transaction { connection in
            try connection.takeTurn(by: "UPDATE flavors SET updated_at = \(at) WHERE flavor_id = \(id)")
            let text = try connection.first("SELECT extra_specs FROM flavors WHERE flavor_id = \(id)") {
                try $0.string(0)
            }
            guard let text else { throw StoreError.notFound("Flavor \(id) could not be found.") }
            var specs = try StoredJSON.decode([String: String].self, text)
            try change(&specs)
            try connection.execute(
                """
                UPDATE flavors SET extra_specs = \(try StoredJSON.encode(specs)), updated_at = \(at)
                WHERE flavor_id = \(id)
                """)
            return specs
        }
    }

    /// Projects that may use a private flavor, sorted.
    package func flavorAccess(_ id: String) async throws -> [String] {
        try await database.read { connection in
            try connection.map("SELECT project_id FROM flavor_access WHERE flavor_id = \(id) ORDER BY project_id") {
                try $0.string(0)
            }
        }
    }

    /// Lets a project use a private flavor, or no longer.
    ///
    /// - Throws: ``StoreError/exists(_:)``, ``StoreError/notFound(_:)``.
    package func setFlavorAccess(_ id: String, project: String, granted: Bool) async throws {
        try await database.transaction { connection in
            let known = try connection.first(
                "SELECT 1 FROM flavor_access WHERE flavor_id = \(id) AND project_id = \(project)"
            ) { _ in true }
            if granted {
                guard known == nil else {
                    throw StoreError.exists(
                        "Flavor access already exists for flavor \(id) and project \(project) combination.")
                }
                try connection.execute(
                    "INSERT INTO flavor_access (flavor_id, project_id) VALUES (\(id), \(project))")
            } else {
                guard known != nil else {
                    throw StoreError.notFound("Flavor access not found for \(id) / \(project) combination.")
                }
                try connection.execute(
                    "DELETE FROM flavor_access WHERE flavor_id = \(id) AND project_id = \(project)")
            }
        }
    }
}

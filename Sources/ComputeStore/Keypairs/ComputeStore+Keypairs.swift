package import ComputeModel
import Database

/// A public key that a user can put into servers.
package struct KeypairRecord: Sendable, Equatable {
    /// Counts up with creation.
    package var number: Int64
    package var userID: String
    package var name: String
    /// `ssh` or `x509`.
    package var type: String
    package var fingerprint: String
    package var publicKey: String
    package var createdAt: Timestamp

    package init(
        number: Int64 = 0, userID: String, name: String, type: String, fingerprint: String, publicKey: String,
        createdAt: Timestamp = Timestamp(microseconds: 0)
    ) {
        self.number = number
        self.userID = userID
        self.name = name
        self.type = type
        self.fingerprint = fingerprint
        self.publicKey = publicKey
        self.createdAt = createdAt
    }
}

extension ComputeStore {
    private static func keypair(_ row: SQLRow) throws -> KeypairRecord {
        KeypairRecord(
            number: try row.int64(6), userID: try row.string(0), name: try row.string(1), type: try row.string(2),
            fingerprint: try row.string(3), publicKey: try row.string(4), createdAt: try row.timestamp(5))
    }

    /// One key of a user.
    package func keypair(_ name: String, of user: String) async throws -> KeypairRecord? {
        try await database.read { connection in
            try connection.first(
                """
                SELECT user_id, name, type, fingerprint, public_key, created_at, number FROM keypairs
                WHERE user_id = \(user) AND name = \(name)
                """,
                Self.keypair)
        }
    }

    /// A user's keys by name.
    ///
    /// - Throws: ``StoreError/notFound(_:)`` when the user has no key of the marker's name.
    package func keypairs(of user: String, marker: String? = nil, limit: Int = 1000) async throws -> [KeypairRecord] {
        try await database.read { connection in
            var condition: SQL = "user_id = \(user)"
            if let marker {
                let known = try connection.first(
                    "SELECT 1 FROM keypairs WHERE user_id = \(user) AND name = \(marker)"
                ) { _ in true }
                guard known != nil else { throw StoreError.notFound("Marker \(marker) could not be found.") }
                condition += " AND name > \(marker)"
            }
            return try connection.map(
                """
                SELECT user_id, name, type, fingerprint, public_key, created_at, number FROM keypairs
                WHERE \(condition) ORDER BY name LIMIT \(limit)
                """,
                Self.keypair)
        }
    }

    /// Stores a key, unless the user would have more than `limit` of them (-1 for no limit).
    ///
    /// - Throws: ``StoreError/exists(_:)``, ``StoreError/quotaExceeded(_:)``.
    package func create(_ keypair: KeypairRecord, limit: Int) async throws -> KeypairRecord {
        let at = now()
        var stored = keypair
        stored.createdAt = at
        let new = stored
        try await database.transaction { connection in
            try connection.takeTurn("keypairs \(new.userID)")
            let used =
                try connection.first("SELECT COUNT(*) FROM keypairs WHERE user_id = \(new.userID)") { try $0.int(0) }
                ?? 0
            if limit >= 0, used + 1 > limit {
                throw StoreError.quotaExceeded(
                    QuotaExceeded(resources: [.init(name: "key_pairs", requested: 1, used: used, limit: limit)]))
            }
            let known = try connection.first(
                "SELECT 1 FROM keypairs WHERE user_id = \(new.userID) AND name = \(new.name)"
            ) { _ in true }
            if known != nil { throw StoreError.exists("Key pair '\(new.name)' already exists.") }
            try connection.execute(
                """
                INSERT INTO keypairs (user_id, name, type, fingerprint, public_key, created_at)
                VALUES (\(new.userID), \(new.name), \(new.type), \(new.fingerprint), \(new.publicKey), \(at))
                """)
        }
        return new
    }

    /// Deletes a key. Servers keep what they were given.
    ///
    /// - Throws: ``StoreError/notFound(_:)``.
    package func deleteKeypair(_ name: String, of user: String) async throws {
        try await database.transaction { connection in
            let changed = try connection.execute("DELETE FROM keypairs WHERE user_id = \(user) AND name = \(name)")
            guard changed.rowsChanged == 1 else {
                throw StoreError.notFound("Keypair \(name) not found for user \(user)")
            }
        }
    }
}

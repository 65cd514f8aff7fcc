package import ComputeModel
import Database

/// The password that a guest chose and left for its user, as a rule encrypted with the user's key.
extension ComputeStore {
    /// The password of a server.
    package func password(of id: InstanceID) async throws -> String? {
        try await database.read { connection in
            try connection.first("SELECT password FROM instance_passwords WHERE instance = \(id)") { try $0.string(0) }
        }
    }

    /// Keeps the password of a server unless it has one.
    ///
    /// - Returns: false when it has one.
    package func storePassword(_ password: String, of id: InstanceID) async throws -> Bool {
        let at = now()
        return try await database.transaction { connection in
            let known = try connection.first("SELECT 1 FROM instance_passwords WHERE instance = \(id)") { _ in true }
            guard known == nil else { return false }
            try connection.execute(
                "INSERT INTO instance_passwords (instance, password, created_at) VALUES (\(id), \(password), \(at))")
            return true
        }
    }

    /// Forgets the password of a server, so that the guest may leave another.
    package func clearPassword(of id: InstanceID) async throws {
        try await database.transaction { connection in
            try connection.execute("DELETE FROM instance_passwords WHERE instance = \(id)")
        }
    }
}

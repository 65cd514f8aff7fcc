import ComputeModel
import Database

/// What is known of an image's data once they are on disk.
struct ImageDataFacts: Sendable, Hashable {
    var size: Int64
    /// MD5, hexadecimal.
    var checksum: String
    /// SHA-512, hexadecimal.
    var strongHash: String
}

// An upload owns its image from `beginUpload` on: it is named by the file it writes, and only an image that still
// names that file is finished or put back.
extension ImageStore {
    /// Takes an image for an upload: queued → saving.
    ///
    /// - Throws: ``ImageFault`` 409 when it is not queued.
    func beginUpload(to id: ImageID, file: String) async throws {
        let at = now()
        try await database.transaction { connection in
            let taken = try connection.execute(
                """
                UPDATE images SET status = 'saving', file = \(file), updated_at = \(at.microseconds)
                WHERE id = \(id.description) AND status = 'queued'
                """)
            guard taken.rowsChanged == 0 else { return }
            guard let image = try Self.image(id, connection) else { throw ImageFault.noImage(id.description) }
            throw ImageFault.conflict(
                "Image status transition from \(image.status.rawValue) to saving is not allowed")
        }
    }

    /// Ends an upload: saving → active.
    ///
    /// - Returns: false when the image was deleted meanwhile.
    func finishUpload(to id: ImageID, file: String, _ facts: ImageDataFacts) async throws -> Bool {
        let at = now()
        return try await database.transaction { connection in
            try connection.execute(
                """
                UPDATE images SET status = 'active', size = \(facts.size), checksum = \(facts.checksum),
                    hash_value = \(facts.strongHash), updated_at = \(at.microseconds),
                    virtual_size = CASE WHEN disk_format = 'raw' THEN \(facts.size) ELSE NULL END
                WHERE id = \(id.description) AND status = 'saving' AND file = \(file)
                """
            ).rowsChanged == 1
        }
    }

    /// Puts an image back whose upload failed: saving → queued.
    func abandonUpload(to id: ImageID, file: String) async throws {
        let at = now()
        try await database.transaction { connection in
            try connection.execute(
                """
                UPDATE images SET status = 'queued', file = NULL, updated_at = \(at.microseconds)
                WHERE id = \(id.description) AND status = 'saving' AND file = \(file)
                """)
        }
    }

    /// Puts back all images whose uploads ended with the process. For start-up only.
    ///
    /// - Returns: the files that images have; all others are leftovers.
    func abandonAllUploads() async throws -> Set<String> {
        let at = now()
        return try await database.transaction { connection in
            try connection.execute(
                """
                UPDATE images SET status = 'queued', file = NULL, updated_at = \(at.microseconds)
                WHERE status = 'saving'
                """)
            return Set(try connection.map("SELECT file FROM images WHERE file IS NOT NULL") { try $0.string(0) })
        }
    }
}

package import ComputeModel
package import Database

/// What is known of images, in a database of the stand-in's own. The data are files: ``ImageFiles``.
package struct ImageStore: Sendable {
    let database: SQLDatabase
    let now: @Sendable () -> Timestamp

    /// The history of the store's tables.
    package static let history = SchemaHistory(
        component: "image", migrations: [Migration(id: "0001-images") { _ in schema }])

    /// Brings the schema up to date and returns the store.
    package static func open(_ database: SQLDatabase, now: @escaping @Sendable () -> Timestamp) async throws
        -> ImageStore
    {
        try await database.migrate(history.migrations, component: history.component)
        return ImageStore(database: database, now: now)
    }

    private static let schema: [SQL] = [
        """
        CREATE TABLE images (
            id VARCHAR(36) PRIMARY KEY, name VARCHAR(255), status VARCHAR(16) NOT NULL,
            visibility VARCHAR(16) NOT NULL, owner VARCHAR(255), disk_format VARCHAR(20),
            container_format VARCHAR(20), size BIGINT, virtual_size BIGINT, checksum VARCHAR(32),
            hash_value VARCHAR(128), min_disk INTEGER NOT NULL, min_ram INTEGER NOT NULL,
            protected INTEGER NOT NULL, hidden INTEGER NOT NULL, created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL, file VARCHAR(80))
        """,
        "CREATE INDEX images_created ON images (created_at, id)",
        """
        CREATE TABLE image_properties (
            image VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (image, name))
        """,
        "CREATE TABLE image_tags (image VARCHAR(36) NOT NULL, tag VARCHAR(255) NOT NULL, PRIMARY KEY (image, tag))",
    ]

    static let columns: SQL = """
        id, name, status, visibility, owner, disk_format, container_format, size, virtual_size, checksum, \
        hash_value, min_disk, min_ram, protected, hidden, created_at, updated_at, file
        """

    /// An image, whoever may see it.
    func image(_ id: ImageID) async throws -> ImageRecord? {
        try await database.read { try Self.image(id, $0) }
    }

    static func image(_ id: ImageID, _ connection: SQLConnection) throws -> ImageRecord? {
        try records("SELECT \(columns) FROM images WHERE id = \(id.description)", connection).first
    }

    /// Runs a statement that selects ``columns`` and adds properties and tags.
    static func records(_ statement: SQL, _ connection: SQLConnection) throws -> [ImageRecord] {
        var records = try connection.map(statement, ImageRecord.init(row:))
        guard !records.isEmpty else { return [] }
        let ids = records.map(\.id.description)
        var positions: [String: Int] = [:]
        for (position, id) in ids.enumerated() { positions[id] = position }
        try connection.forEach("SELECT image, name, value FROM image_properties WHERE image IN \(list: ids)") { row in
            guard let position = positions[try row.string(0)] else { return }
            records[position].properties[try row.string(1)] = try row.string(2)
        }
        try connection.forEach("SELECT image, tag FROM image_tags WHERE image IN \(list: ids)") { row in
            guard let position = positions[try row.string(0)] else { return }
            records[position].tags.insert(try row.string(1))
        }
        return records
    }

    /// Stores a new image.
    ///
    /// - Throws: ``ImageFault`` 409 when there is one of that identifier.
    func create(_ image: ImageRecord) async throws {
        do {
            try await database.transaction { connection in
                try connection.execute(
                    """
                    INSERT INTO images (\(Self.columns)) VALUES (\(values: image.bindings))
                    """)
                try Self.writeDetails(image, connection)
            }
        } catch let error as DatabaseError where error.isUniqueViolation {
            throw ImageFault.conflict("Image ID \(image.id) already exists!")
        }
    }

    /// Changes what users may change of an image, in one transaction.
    ///
    /// - Parameter change: pure; may run more than once. What it throws is thrown.
    func update(
        _ id: ImageID, _ change: @escaping @Sendable (inout ImageRecord) throws -> Void
    ) async throws -> ImageRecord {
        let at = now()
        return try await database.transaction { connection in
            try connection.takeTurn(by: "UPDATE images SET updated_at = updated_at WHERE id = \(id.description)")
            guard var image = try Self.image(id, connection) else { throw ImageFault.noImage(id.description) }
            let before = image
            try change(&image)
            guard image != before else { return image }
            image.updatedAt = at
            try connection.execute(
                """
                UPDATE images SET name = \(image.name), visibility = \(image.visibility.rawValue),
                    owner = \(image.owner), disk_format = \(image.diskFormat),
                    container_format = \(image.containerFormat), min_disk = \(image.minDisk),
                    min_ram = \(image.minRAM), protected = \(image.isProtected), hidden = \(image.isHidden),
                    status = \(image.status.rawValue), updated_at = \(at.microseconds)
                WHERE id = \(id.description)
                """)
            try Self.writeDetails(image, connection)
            return image
        }
    }

    /// Removes an image.
    ///
    /// - Parameter allowed: throws when it must stay.
    /// - Returns: the name of its file, which is the caller's to remove.
    func delete(_ id: ImageID, _ allowed: @escaping @Sendable (ImageRecord) throws -> Void) async throws -> String? {
        try await database.transaction { connection in
            guard let image = try Self.image(id, connection) else {
                throw ImageFault.notFound("Failed to find image \(id) to delete")
            }
            try allowed(image)
            try connection.execute("DELETE FROM image_properties WHERE image = \(id.description)")
            try connection.execute("DELETE FROM image_tags WHERE image = \(id.description)")
            try connection.execute("DELETE FROM images WHERE id = \(id.description)")
            return image.file
        }
    }

    private static func writeDetails(_ image: ImageRecord, _ connection: SQLConnection) throws {
        let id = image.id.description
        try connection.execute("DELETE FROM image_properties WHERE image = \(id)")
        for (name, value) in image.properties {
            try connection.execute(
                "INSERT INTO image_properties (image, name, value) VALUES (\(id), \(name), \(value))")
        }
        try connection.execute("DELETE FROM image_tags WHERE image = \(id)")
        for tag in image.tags {
            try connection.execute("INSERT INTO image_tags (image, tag) VALUES (\(id), \(tag))")
        }
    }
}

extension ImageRecord {
    init(row: SQLRow) throws {
        guard let id = ImageID(try row.string(0)), let status = ImageStatus(rawValue: try row.string(2)),
            let visibility = ImageVisibility(rawValue: try row.string(3))
        else { throw DatabaseError.decoding("an image has an unknown identifier, status or visibility") }
        self.init(
            id: id, name: try row.optionalString(1), status: status, visibility: visibility,
            owner: try row.optionalString(4), diskFormat: try row.optionalString(5),
            containerFormat: try row.optionalString(6), size: try row.optionalInt64(7),
            virtualSize: try row.optionalInt64(8), checksum: try row.optionalString(9),
            strongHash: try row.optionalString(10), minDisk: try row.int(11), minRAM: try row.int(12),
            isProtected: try row.bool(13), isHidden: try row.bool(14), properties: [:], tags: [],
            createdAt: Timestamp(microseconds: try row.int64(15)),
            updatedAt: Timestamp(microseconds: try row.int64(16)), file: try row.optionalString(17))
    }

    /// In the order of ``ImageStore/columns``.
    var bindings: [any SQLBindable] {
        [
            id.description, name, status.rawValue, visibility.rawValue, owner, diskFormat, containerFormat, size,
            virtualSize, checksum, strongHash, minDisk, minRAM, isProtected, isHidden, createdAt.microseconds,
            updatedAt.microseconds, file,
        ]
    }
}

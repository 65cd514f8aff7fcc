package import Database

/// The history of placement's tables. Names and columns are the reference's where the meaning is; times are seconds
/// since 1970; projects and users are columns of the consumer.
package enum PlacementMigrations {
    /// All migrations, oldest first.
    package static let history = SchemaHistory(
        component: "placement", migrations: [Migration(id: "0001-placement", statements: first)],
        seededTables: ["placement_state"])

    private static func first(_ dialect: SQLDialect) -> [SQL] {
        providerTables(dialect) + allocationTables(dialect) + nameTables(dialect)
    }

    private static func providerTables(_ dialect: SQLDialect) -> [SQL] {
        [
            // One row. `sequence` numbers the committed transactions: the order in which every mirror takes them.
            """
            CREATE TABLE placement_state (
                id INTEGER PRIMARY KEY, sequence BIGINT NOT NULL, catalog_sequence BIGINT NOT NULL,
                removed_before BIGINT NOT NULL)
            """,
            "INSERT INTO placement_state (id, sequence, catalog_sequence, removed_before) VALUES (1, 0, 0, 0)",
            """
            CREATE TABLE resource_providers (
                id \(dialect.ascendingKey), uuid VARCHAR(36) NOT NULL UNIQUE, name VARCHAR(200) NOT NULL UNIQUE,
                generation BIGINT NOT NULL, root_provider_id BIGINT NOT NULL, parent_provider_id BIGINT,
                created_at BIGINT NOT NULL, updated_at BIGINT, change_sequence BIGINT NOT NULL)
            """,
            "CREATE INDEX resource_providers_root ON resource_providers (root_provider_id)",
            "CREATE INDEX resource_providers_parent ON resource_providers (parent_provider_id)",
            "CREATE INDEX resource_providers_change ON resource_providers (change_sequence)",
            "CREATE TABLE removed_providers (id BIGINT PRIMARY KEY, change_sequence BIGINT NOT NULL)",
            "CREATE INDEX removed_providers_change ON removed_providers (change_sequence)",
            """
            CREATE TABLE inventories (
                resource_provider_id BIGINT NOT NULL, resource_class_id INTEGER NOT NULL, total BIGINT NOT NULL,
                reserved BIGINT NOT NULL, min_unit BIGINT NOT NULL, max_unit BIGINT NOT NULL, step_size BIGINT NOT NULL,
                allocation_ratio DOUBLE PRECISION NOT NULL, PRIMARY KEY (resource_provider_id, resource_class_id))
            """,
            "CREATE INDEX inventories_class ON inventories (resource_class_id)",
        ]
    }

    private static func allocationTables(_ dialect: SQLDialect) -> [SQL] {
        [
            """
            CREATE TABLE allocations (
                id \(dialect.ascendingKey), resource_provider_id BIGINT NOT NULL, consumer_id VARCHAR(36) NOT NULL,
                resource_class_id INTEGER NOT NULL, used BIGINT NOT NULL, created_at BIGINT NOT NULL)
            """,
            "CREATE INDEX allocations_provider ON allocations (resource_provider_id, resource_class_id, used)",
            "CREATE INDEX allocations_consumer ON allocations (consumer_id)",
            """
            CREATE TABLE consumers (
                id \(dialect.ascendingKey), uuid VARCHAR(36) NOT NULL UNIQUE, project_id VARCHAR(255) NOT NULL,
                user_id VARCHAR(255) NOT NULL, generation BIGINT NOT NULL, consumer_type_id BIGINT,
                created_at BIGINT NOT NULL, updated_at BIGINT)
            """,
            "CREATE INDEX consumers_project ON consumers (project_id, user_id)",
            "CREATE TABLE consumer_types (id \(dialect.ascendingKey), name VARCHAR(255) NOT NULL UNIQUE)",
        ]
    }

    private static func nameTables(_ dialect: SQLDialect) -> [SQL] {
        [
            """
            CREATE TABLE resource_classes (
                id INTEGER PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE, created_at BIGINT NOT NULL,
                updated_at BIGINT)
            """,
            """
            CREATE TABLE traits (
                id \(dialect.ascendingKey), name VARCHAR(255) NOT NULL UNIQUE, created_at BIGINT NOT NULL,
                updated_at BIGINT)
            """,
            """
            CREATE TABLE resource_provider_traits (
                resource_provider_id BIGINT NOT NULL, trait_id BIGINT NOT NULL,
                PRIMARY KEY (resource_provider_id, trait_id))
            """,
            "CREATE INDEX resource_provider_traits_trait ON resource_provider_traits (trait_id)",
            "CREATE TABLE placement_aggregates (id \(dialect.ascendingKey), uuid VARCHAR(36) NOT NULL UNIQUE)",
            """
            CREATE TABLE resource_provider_aggregates (
                resource_provider_id BIGINT NOT NULL, aggregate_id BIGINT NOT NULL,
                PRIMARY KEY (resource_provider_id, aggregate_id))
            """,
        ]
    }
}

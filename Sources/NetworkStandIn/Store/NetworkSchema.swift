package import Database

/// The tables. Resources are kept as the documents that administrators see; beside them stand, as columns, what is
/// looked up by and what must be unique.
package enum NetworkSchema {
    /// The history of the tables.
    package static let history = SchemaHistory(
        component: "network", migrations: [Migration(id: "0001-network", statements: tables)])

    private static func tables(_ dialect: SQLDialect) -> [SQL] { [
        """
        CREATE TABLE networks (
            id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL,
            shared INTEGER NOT NULL, external INTEGER NOT NULL, document BLOB NOT NULL)
        """,
        "CREATE INDEX networks_by_project ON networks (project_id)",
        """
        CREATE TABLE subnets (
            id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL,
            network_id VARCHAR(36) NOT NULL REFERENCES networks (id), document BLOB NOT NULL)
        """,
        "CREATE INDEX subnets_by_project ON subnets (project_id)",
        "CREATE INDEX subnets_by_network ON subnets (network_id)",
        """
        CREATE TABLE ports (
            id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL,
            network_id VARCHAR(36) NOT NULL REFERENCES networks (id), mac_address VARCHAR(17) NOT NULL,
            device_id VARCHAR(255) NOT NULL, device_owner VARCHAR(255) NOT NULL, host VARCHAR(255) NOT NULL,
            document BLOB NOT NULL, UNIQUE (network_id, mac_address))
        """,
        "CREATE INDEX ports_by_project ON ports (project_id)",
        "CREATE INDEX ports_by_device ON ports (device_id)",
        "CREATE INDEX ports_by_host ON ports (host)",
        """
        CREATE TABLE allocations (
            subnet_id VARCHAR(36) NOT NULL REFERENCES subnets (id), address \(dialect.keyBytes(16)) NOT NULL,
            port_id VARCHAR(36) NOT NULL REFERENCES ports (id), PRIMARY KEY (subnet_id, address))
        """,
        "CREATE INDEX allocations_by_port ON allocations (port_id)",
        """
        CREATE TABLE port_groups (
            port_id VARCHAR(36) NOT NULL REFERENCES ports (id), group_id VARCHAR(36) NOT NULL,
            PRIMARY KEY (port_id, group_id))
        """,
        "CREATE INDEX port_groups_by_group ON port_groups (group_id)",
        """
        CREATE TABLE routers (
            id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL,
            document BLOB NOT NULL)
        """,
        "CREATE INDEX routers_by_project ON routers (project_id)",
        """
        CREATE TABLE floatingips (
            id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, floating_network_id VARCHAR(36) NOT NULL,
            port_id VARCHAR(36), router_id VARCHAR(36), floating_ip_address VARCHAR(64) NOT NULL,
            fixed_ip_address VARCHAR(64), document BLOB NOT NULL,
            UNIQUE (floating_network_id, port_id, fixed_ip_address))
        """,
        "CREATE INDEX floatingips_by_project ON floatingips (project_id)",
        "CREATE INDEX floatingips_by_port ON floatingips (port_id)",
        """
        CREATE TABLE security_groups (
            id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL,
            document BLOB NOT NULL)
        """,
        "CREATE INDEX security_groups_by_project ON security_groups (project_id, name)",
        "CREATE TABLE default_groups (project_id VARCHAR(64) PRIMARY KEY, group_id VARCHAR(36) NOT NULL)",
        """
        CREATE TABLE security_group_rules (
            id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL,
            security_group_id VARCHAR(36) NOT NULL REFERENCES security_groups (id), remote_group_id VARCHAR(36),
            document BLOB NOT NULL)
        """,
        "CREATE INDEX security_group_rules_by_project ON security_group_rules (project_id)",
        "CREATE INDEX security_group_rules_by_group ON security_group_rules (security_group_id)",
        """
        CREATE TABLE quotas (
            project_id VARCHAR(64) NOT NULL, resource VARCHAR(64) NOT NULL, upper_limit INTEGER NOT NULL,
            PRIMARY KEY (project_id, resource))
        """,
    ] }
}

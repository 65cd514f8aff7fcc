/// [database]
package struct DatabaseOptions: OptionGroup {
    package static let group = "database"
    package static let help = "Where the state of the control plane is kept."

    /// How a database's URL may begin: the engines, and SQLAlchemy's spellings of them.
    static let schemes = [
        "sqlite", "mysql", "mariadb", "postgresql", "postgres", "mysql+pymysql", "mysql+mysqldb",
        "mysql+mysqlconnector", "mysql+aiomysql", "mysql+asyncmy", "mariadb+pymysql", "mariadb+mariadbconnector",
        "postgresql+psycopg2", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+pg8000",
    ]

    @Option(
        "connection", .url(schemes),
        help: """
            The database: sqlite:// and an absolute path (sqlite:// alone is one in memory that ends with the process),
            mysql://user:password@host:port/name for MariaDB or postgresql://user:password@host:port/name. Signs such as
            @ are written %40 in a password. Parameters after a question mark, among them those of TLS, are listed in
            docs/operator-guide/databases.md.
            """)
    package var connection: Secret = "sqlite://$state_path/kilonova.sqlite"

    @Option(
        "max_pool_size", .integer(1...1000),
        help: "How many connections are kept; with SQLite, how many read at the same time.")
    package var poolSize = 5

    @Option(
        "max_overflow", .integer(0...1000),
        help: "How many more connections are made when work waits, and closed when none does; not with SQLite.")
    package var overflowMax = 50

    @Option(
        "pool_timeout", .duration(.seconds(1)...),
        help: """
            How long work waits for a connection, and for a server that was lost, until it is refused; not with SQLite.
            """)
    package var poolTimeout = Duration.seconds(30)

    @Option(
        "connection_recycle_time", .duration(.seconds(1)...),
        help: "The age at which a connection is closed and made anew; not with SQLite.")
    package var recycleTime = Duration.seconds(3600)

    @Option(
        "max_retries", .integer(min: -1, max: nil),
        help: """
            How often the first connection is tried again when the server does not answer at start-up; -1: for ever. A
            refused login is not tried again.
            """)
    package var openRetriesMax = 10

    @Option(
        "retry_interval", .duration(.seconds(1)...),
        help: "The pause before the first connection is tried again at start-up.")
    package var openRetryInterval = Duration.seconds(10)

    @Option(
        "db_max_retries", .integer(min: -1, max: nil),
        help: "How often a transaction is run again that met a deadlock or a busy database; -1: until it succeeds.")
    package var retriesMax = 20

    package init() {}
}

/// [placement_database]
package struct PlacementDatabaseOptions: OptionGroup {
    package static let group = "placement_database"
    package static let help = "A database of placement's own; the pool is that of [database]."

    @Option(
        "connection", .url(DatabaseOptions.schemes),
        help: "Written like that of [database], which placement's tables share where this is not set.")
    package var connection: Secret?

    package init() {}
}

/// [conductor]
package struct ConductorOptions: OptionGroup {
    package static let group = "conductor"
    package static let help = "The service that runs operations in steps and writes what compute nodes report."

    @Option(
        "saga_limit", .integer(1...),
        help: "How many operations a conductor works on at the same time; further ones wait. Kilonova's own option.")
    package var sagaLimit = 256

    @Option(
        "saga_recovery_interval", .duration(.seconds(1)...),
        help: """
            How often a conductor looks for operations whose conductor has died and continues them. Kilonova's own
            option.
            """)
    package var sagaRecoveryInterval = Duration.seconds(5)

    package init() {}
}

/// [scheduler]
package struct SchedulerOptions: OptionGroup {
    package static let group = "scheduler"
    package static let help = "How a host is found for a server."

    @Option(
        "max_attempts", .integer(1...),
        help: "How many hosts are tried before the server goes into error.",
        deprecated: ["DEFAULT.scheduler_max_attempts"])
    package var attemptsMax = 3

    @Option(
        "max_placement_results", .integer(1...),
        help: "How many allocation candidates placement is asked for.")
    package var placementResultsMax = 1000

    @Option(
        "query_placement_for_image_type_support",
        help: """
            Ask placement only for nodes whose hypervisor takes the image's disk format, which every driver tells. \
            Turned off, an image may reach a hypervisor that refuses it.
            """)
    package var asksForImageFormat = true

    @Option(
        "image_metadata_prefilter",
        help: """
            Ask placement only for nodes with the disk buses, video and network card models and architectures that \
            the image's properties name.
            """)
    package var asksForImageProperties = false

    package init() {}
}

/// [filter_scheduler]
package struct FilterSchedulerOptions: OptionGroup {
    package static let group = "filter_scheduler"
    package static let help = "Filters drop hosts, weighers order those that are left."

    @Option(
        "enabled_filters",
        help: "The filters, in the order in which hosts pass them. A cheap filter that drops many stands first.")
    package var enabledFilters = [
        "ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter",
    ]

    @Option("host_subset_size", .integer(1...), help: "The host is chosen at random from this many of the best.")
    package var hostSubsetSize = 1

    @Option(
        "max_io_ops_per_host", .integer(0...),
        help: "IoOpsFilter: a host works on at most this many builds and moves.")
    package var ioOperationsMax = 8

    @Option(
        "max_instances_per_host", .integer(1...),
        help: "NumInstancesFilter: a host has at most this many instances.")
    package var instancesMax = 50

    @Option("ram_weight_multiplier", help: "Positive: prefer hosts with much free memory; negative: fill hosts up.")
    package var ramWeight = 1.0

    @Option("cpu_weight_multiplier", help: "The same for free virtual CPUs.")
    package var cpuWeight = 1.0

    @Option("disk_weight_multiplier", help: "The same for free disk space.")
    package var diskWeight = 1.0

    @Option("io_ops_weight_multiplier", help: "Negative: prefer hosts with little work in progress.")
    package var ioOperationsWeight = -1.0

    @Option("num_instances_weight_multiplier", help: "Positive: prefer hosts with many instances; negative: with few.")
    package var instancesWeight = 0.0

    @Option("shuffle_best_same_weighed_hosts", help: "Choose at random among hosts with the same best weight.")
    package var shufflesEquals = false

    package init() {}
}

/// [quota]
package struct QuotaOptions: OptionGroup {
    package static let group = "quota"
    package static let help = """
        What a project may have where no quota of its own or of the default class says so. -1: any number.
        """

    private static let count = OptionType.integer(min: -1, max: nil)

    @Option("instances", count, help: "Servers.", deprecated: ["DEFAULT.quota_instances"])
    package var instances = 10
    @Option("cores", count, help: "Virtual CPUs of all servers.", deprecated: ["DEFAULT.quota_cores"])
    package var cores = 20
    @Option("ram", count, help: "Memory of all servers in MiB.", deprecated: ["DEFAULT.quota_ram"])
    package var ramMiB = 51_200
    @Option("metadata_items", count, help: "Metadata items of one server.",
        deprecated: ["DEFAULT.quota_metadata_items"])
    package var metadataItems = 128
    @Option("injected_files", count, help: "Injected files of one server.",
        deprecated: ["DEFAULT.quota_injected_files"])
    package var injectedFiles = 5
    @Option("injected_file_content_bytes", count, help: "Bytes of one injected file.",
        deprecated: ["DEFAULT.quota_injected_file_content_bytes"])
    package var injectedFileBytes = 10_240
    @Option("injected_file_path_length", count, help: "Characters in the path of an injected file.",
        deprecated: ["DEFAULT.quota_injected_file_path_length"])
    package var injectedFilePathLength = 255
    @Option("key_pairs", count, help: "Key pairs of one user.", deprecated: ["DEFAULT.quota_key_pairs"])
    package var keyPairs = 100
    @Option("server_groups", count, help: "Server groups.", deprecated: ["DEFAULT.quota_server_groups"])
    package var serverGroups = 10
    @Option("server_group_members", count, help: "Servers of one user in one group.",
        deprecated: ["DEFAULT.quota_server_group_members"])
    package var serverGroupMembers = 10
    package init() {}
}

/// [oslo_policy]
package struct PolicyOptions: OptionGroup {
    package static let group = "oslo_policy"
    package static let help = "Who may do what."

    @Option(
        "policy_file", .path,
        help: """
            A file that maps names of rules to checks and takes precedence over the built-in rules. It is read again
            when it changes. Unset: the built-in rules.
            """)
    package var file: String?

    package init() {}
}

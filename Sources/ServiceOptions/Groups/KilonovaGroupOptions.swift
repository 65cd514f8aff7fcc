/// [kilonova]
package struct KilonovaGroupOptions: OptionGroup {
    package static let group = "kilonova"
    package static let help = """
        What Nova has no name for: the common listener, and the stand-ins for the services beside Nova.
        """

    @Option("listen", .host, help: "The address of the listener at which all APIs are mounted by path.")
    package var listen = "127.0.0.1"

    @Option("port", .port, help: "The port of that listener.")
    package var port = 8774

    @Option("nodes", .list,
        help: """
            The compute nodes of this process, by names of your choice (lower-case letters, digits, - and _). For a
            node NAME, the group [node:NAME] takes precedence over [DEFAULT], and [node:NAME.GROUP] over [GROUP],
            wherever they were written: [node:NAME] compute_driver chooses its driver, [node:NAME] host the name under
            which it is known (unset: NAME), and [node:NAME.vmware] cluster_name an option of that driver. Unset: one
            node, which [DEFAULT] describes.
            """)
    package var nodes: [String] = []

    @Option("public_url", .url(["http", "https"]),
        help: "What the catalog says this listener's address is. Unset: http:// with listen and port.")
    package var publicURL: String?

    @Option("request_body_limit", .byteSize(min: ByteSize(kibibytes: 1), max: ByteSize(gibibytes: 1)),
        help: "The largest body of a request, uploads of images excepted.")
    package var requestBodyLimit = ByteSize(kibibytes: 112)

    @Option("server_list_cache", .byteSize(min: ByteSize(bytes: 0), max: ByteSize(gibibytes: 16)),
        help: """
            Memory for servers as lists have shown them: what has not changed since is not written again. 0: every \
            list is written anew.
            """)
    package var serverListCache = ByteSize(kibibytes: 16 * 1024)

    @Option("rpc_queue_limit", .integer(1...),
        help: "How many messages wait for a service before senders are slowed down.")
    package var queueLimit = 10_000

    @Option("message_size_max", .byteSize(min: ByteSize(kibibytes: 64), max: ByteSize(gibibytes: 1)),
        help: "The largest body of a message between services on a broker. The same on every node.")
    package var messageSizeMax = ByteSize(kibibytes: 16_384)

    @Option("broker_start_patience", .duration(.seconds(1)...),
        help: "How long a service that starts waits for a message broker that does not answer, before it gives up.")
    package var brokerStartPatience = Duration.seconds(30)

    @Option("identity_stand_in", help: "Serve the identity API at /identity instead of using another Keystone.")
    package var runsIdentity = true

    @Option("image_stand_in", help: "Serve the image API at /image instead of using another Glance.")
    package var runsImages = true

    @Option("network_stand_in", help: "Serve the network API at /network instead of using another Neutron.")
    package var runsNetworks = true

    @Option("region", help: "The region of the stand-ins' catalog.")
    package var region = "RegionOne"

    @Option("admin_user", help: "The administrator that the identity stand-in makes at its first start.")
    package var adminUser = "admin"

    @Option("admin_project", help: "That user's project.")
    package var adminProject = "admin"

    @Option("admin_password",
        help: "That user's password. Unset: made at the first start and kept in $state_path/admin-password.")
    package var adminPassword: Secret?

    @Option("token_lifetime", .duration(.seconds(60)...), help: "How long a token of the identity stand-in is valid.")
    package var tokenLifetime = Duration.seconds(3600)

    @Option("password_hash_cost", .integer(4...20),
        help: """
            How slow the identity stand-in hashes new passwords: each step doubles the time; 14 takes some 40 ms. Less \
            is for tests.
            """)
    package var passwordHashCost = 14

    @Option("image_path", .path, help: "Where the image stand-in keeps images.")
    package var imagePath = "$state_path/images"

    @Option("image_size_max", help: "The largest image that the image stand-in takes.")
    package var imageSizeMax = ByteSize(gibibytes: 64)

    package init() {}
}

/// [network_agent]
package struct NetworkAgentOptions: OptionGroup {
    package static let group = "network_agent"
    package static let help = """
        The worker that makes bridges, leases and packet rules on a node. All options are Kilonova's own.
        """

    @Option("enabled", help: "Make networks on this node. Needs root.")
    package var isEnabled = true

    @Option("path", .path, help: "Where the worker keeps leases and the files of dnsmasq.")
    package var path = "$state_path/network"

    @Option("dhcp_lease_duration", .duration(.seconds(120)...), help: "How long an address is leased to a guest.",
        deprecated: ["DEFAULT.dhcp_lease_time"])
    package var leaseDuration = Duration.seconds(86400)

    @Option("mtu", .integer(576...65535), help: "The largest packet on guest networks.",
        deprecated: ["DEFAULT.network_device_mtu"])
    package var mtu = 1500

    @Option("verify_interval", .duration(.seconds(1)...),
        help: "How often what is on the node is compared with what should be, and repaired.")
    package var verifyInterval = Duration.seconds(60)

    package init() {}
}

/// [DEFAULT], what the API service reads.
package struct APIServiceOptions: OptionGroup {
    package static let group = "DEFAULT"
    package static let help = ""

    @Option(
        "metadata_listen", .host,
        help: """
            An address at which the metadata API listens for a metadata proxy. Guests on networks of the network agent
            do not need it: they are served at 169.254.169.254 in their own network. Unset: no such listener.
            """)
    package var metadataListen: String?

    @Option("metadata_listen_port", .port, help: "The port that goes with metadata_listen.")
    package var metadataPort = 8775

    @Option(
        "password_length", .integer(0...1024),
        help: "The length of the administrator passwords that are made for new and rebuilt servers.")
    package var passwordLength = 12

    @Option(
        "instance_name_template",
        help: """
            The name of an instance's guest as the API shows it to administrators, and as drivers name it: one %x, %d
            or %s (the UUID), with a width if wanted, stands for the instance.
            """)
    package var instanceNameTemplate = "instance-%08x"

    package init() {}
}

/// [api]
package struct APIOptions: OptionGroup {
    package static let group = "api"
    package static let help = "How the compute and metadata APIs answer."

    /// How callers prove who they are.
    package enum AuthStrategy: String, OptionChoice { case keystone }

    @Option("max_limit", .integer(1...), help: "The most items that one page of a list holds.",
        deprecated: ["DEFAULT.osapi_max_limit"])
    package var maxLimit = 1000

    @Option("compute_link_prefix", .url(["http", "https"]),
        help: "What links in answers begin with, when users reach the API through a proxy. Unset: as asked for.",
        deprecated: ["DEFAULT.osapi_compute_link_prefix"])
    package var computeLinkPrefix: String?

    @Option("enable_instance_password",
        help: "Show the administrator password in the answer to create, rebuild, rescue and evacuate.",
        deprecated: ["DEFAULT.enable_instance_password"])
    package var showsInstancePassword = true

    @Option("dhcp_domain", help: "The domain that follows a server's name in its metadata. Empty: none.",
        deprecated: ["DEFAULT.dhcp_domain"])
    package var dhcpDomain = "novalocal"

    @Option("metadata_cache_expiration", help: "How long a server's metadata is kept in memory; 0: not at all.",
        deprecated: ["DEFAULT.metadata_cache_expiration"])
    package var metadataCacheExpiration = Duration.seconds(15)

    @Option("vendordata_jsonfile_path", .path,
        help: "A JSON file that every server gets as vendor_data.json. Unset: an empty object.",
        deprecated: ["DEFAULT.vendordata_jsonfile_path"])
    package var vendorDataPath: String?

    package init() {}
}

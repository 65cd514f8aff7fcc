/// The account with which this service speaks to another one. Shared by the groups of peers.
package struct PeerCredentialOptions: Sendable {
    @Option("auth_url", .url(["http", "https"]),
        help: "The identity service that gives the token. Unset: the one of [keystone_authtoken], else the stand-in.")
    package var authURL: String?
    @Option("username", help: "The service's user.", deprecated: ["user_name", "user-name"])
    package var username: String?
    @Option("password", help: "The user's password.")
    package var password: Secret?
    @Option("project_name", help: "The project of the token.", deprecated: ["tenant_name", "tenant-name"])
    package var projectName = "service"
    @Option("user_domain_name", help: "The user's domain.")
    package var userDomainName = "Default"
    @Option("project_domain_name", help: "The project's domain.")
    package var projectDomainName = "Default"

    package init() {}
}

/// Where a peer is found and how it is spoken to. Shared by the groups of peers.
package struct PeerEndpointOptions: Sendable {
    @Option("endpoint_override", .url(["http", "https"]),
        help: "The service's address, instead of the one in the catalog.")
    package var endpointOverride: String?
    @Option("timeout", .duration(.milliseconds(1)...), help: "How long one request may take.")
    package var timeout = Duration.seconds(30)
    package init() {}
}

/// [keystone_authtoken]
package struct TokenOptions: OptionGroup {
    package static let group = "keystone_authtoken"
    package static let help = "How tokens of callers are checked."

    @Option("www_authenticate_uri", .url(["http", "https"]),
        help: "The identity service's public address, told to callers without a token. Unset: auth_url.",
        deprecated: ["auth_uri"])
    package var authenticateURI: String?

    package var credentials = PeerCredentialOptions()

    @Option("token_cache_time", .duration(min: .zero, max: .seconds(60)),
        help: """
            How long a token that was checked is believed without asking again; at most a minute, so that a revoked
            token does not live on. 0: ask every time.
            """)
    package var cacheTime = Duration.seconds(60)

    @Option("token_cache_size", .integer(1...), help: "How many checked tokens are kept. Kilonova's own option.")
    package var cacheSize = 10_000

    @Option("service_token_roles", help: "A service token counts when its user has one of these roles.")
    package var serviceTokenRoles = ["service"]

    @Option("service_token_roles_required",
        help: "Refuse requests whose service token has none of service_token_roles.")
    package var serviceTokenRolesRequired = true

    @Option("timeout", .duration(.milliseconds(1)...), help: "How long one check may take.",
        deprecated: ["http_connect_timeout"])
    package var timeout = Duration.seconds(10)

    package init() {}
}

/// [placement]
package struct PlacementOptions: OptionGroup {
    package static let group = "placement"
    package static let help = "The placement service, as compute nodes and the scheduler reach it."

    package var credentials = PeerCredentialOptions()
    package var endpoint = PeerEndpointOptions()

    package init() {}
}

/// [glance]
package struct ImageOptions: OptionGroup {
    package static let group = "glance"
    package static let help = "The image service."

    package var credentials = PeerCredentialOptions()
    package var endpoint = PeerEndpointOptions()

    package init() {}
}

/// [neutron]
package struct NetworkOptions: OptionGroup {
    package static let group = "neutron"
    package static let help = "The network service."

    package var credentials = PeerCredentialOptions()
    package var endpoint = PeerEndpointOptions()

    @Option("http_retries", .integer(0...), help: "How often a request is tried again after a fault of the connection.")
    package var retries = 3

    @Option("service_metadata_proxy",
        help: "Believe the X-Instance-ID that a metadata proxy sends, when its signature is right.")
    package var trustsMetadataProxy = false

    @Option("metadata_proxy_shared_secret", help: "The key of that signature, shared with the proxy.")
    package var metadataProxySecret: Secret = ""

    package init() {}
}

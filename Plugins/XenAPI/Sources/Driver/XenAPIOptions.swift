import DriverAPI

/// The options of the group `[xenserver]`. Names are Nova's where the meaning is Nova's.
struct XenAPIOptions: Sendable {
    enum ImageCaching: String, Sendable { case all, some, none }

    let endpoint: XenEndpoint
    let user: String
    let password: String
    let trust: DriverHTTPRequest.Trust
    let hostName: String?
    let connectionsMax: Int
    let loginTimeout: Duration
    let callTimeout: Duration
    let runningTimeout: Duration
    let repository: RepositoryFilter
    let coalesceInterval: Duration
    let coalesceAttempts: Int
    let caching: ImageCaching
    let defaultOSType: String
    let integrationNetwork: String?
    let reservedMemoryMiB: Int
    let reservedDiskMiB: Int
    let reservedCPUs: Int
    let cpuRatio: Double
    let memoryRatio: Double
    let diskRatio: Double
    let inventoryInterval: Duration

    init(_ configuration: DriverConfiguration) throws(DriverError) {
        let url = configuration.string("connection_url") ?? ""
        guard let endpoint = XenEndpoint(url) else {
            throw .badConfiguration(
                "[xenserver] connection_url = '\(url)' is no address of a XenAPI host; write https://HOST, without a "
                    + "user or password in it")
        }
        let filter = configuration.string("sr_matching_filter") ?? ""
        guard let repository = RepositoryFilter(filter) else {
            throw .badConfiguration(
                "[xenserver] sr_matching_filter = '\(filter)' is not understood; write default-sr:true or "
                    + "other-config:KEY=VALUE or name-label:NAME or uuid:UUID")
        }
        guard let password = configuration.string("connection_password"), !password.isEmpty else {
            throw .badConfiguration(
                "[xenserver] connection_password is not set; set the password of connection_username")
        }
        self.endpoint = endpoint
        self.repository = repository
        self.password = password
        user = configuration.string("connection_username") ?? "root"
        if !configuration.boolean("verify_certificates") {
            trust = .anyone
        } else if let path = configuration.string("certificate_authorities"), !path.isEmpty {
            trust = .authorities(path: path)
        } else {
            trust = .system
        }
        hostName = configuration.string("pool_host").flatMap { $0.isEmpty ? nil : $0 }
        connectionsMax = configuration.integer("connection_concurrent") ?? 5
        loginTimeout = Self.seconds(configuration, "login_timeout", 10)
        callTimeout = Self.seconds(configuration, "call_timeout", 120)
        runningTimeout = Self.seconds(configuration, "running_timeout", 60)
        coalesceInterval = Self.seconds(configuration, "vhd_coalesce_poll_interval", 5)
        coalesceAttempts = configuration.integer("vhd_coalesce_max_attempts") ?? 20
        caching = ImageCaching(rawValue: configuration.string("cache_images") ?? "all") ?? .all
        defaultOSType = configuration.string("default_os_type") ?? "linux"
        integrationNetwork = configuration.string("integration_bridge").flatMap { $0.isEmpty ? nil : $0 }
        reservedMemoryMiB = configuration.integer("reserved_host_memory_mb") ?? 512
        reservedDiskMiB = configuration.integer("reserved_host_disk_mb") ?? 0
        reservedCPUs = configuration.integer("reserved_host_cpus") ?? 0
        cpuRatio = configuration.number("cpu_allocation_ratio") ?? 4
        memoryRatio = configuration.number("ram_allocation_ratio") ?? 1
        diskRatio = configuration.number("disk_allocation_ratio") ?? 1
        inventoryInterval = Self.seconds(configuration, "inventory_interval", 60)
    }

    private static func seconds(_ configuration: DriverConfiguration, _ name: String, _ usual: Double) -> Duration {
        .milliseconds(Int64((configuration.number(name) ?? usual) * 1000))
    }
}

/// Which storage repository holds the guests' disks, in the words of Nova's `sr_matching_filter`.
enum RepositoryFilter: Hashable, Sendable {
    /// The pool's default one.
    case poolDefault
    /// One whose other-config holds the key with that value.
    case otherConfig(key: String, value: String)
    /// One of that name.
    case name(String)
    /// The one of that identifier.
    case uuid(String)

    /// Parses a filter; `nil` for one that is not understood.
    init?(_ text: String) {
        func rest(_ prefix: String) -> String? {
            guard text.hasPrefix(prefix), text.utf8.count > prefix.utf8.count else { return nil }
            return String(text.dropFirst(prefix.count))
        }
        if text == "default-sr:true" || text.isEmpty {
            self = .poolDefault
        } else if let pair = rest("other-config:") {
            guard let equals = pair.firstIndex(of: "="), equals != pair.startIndex else { return nil }
            self = .otherConfig(key: String(pair[..<equals]), value: String(pair[pair.index(after: equals)...]))
        } else if let name = rest("name-label:") {
            self = .name(name)
        } else if let uuid = rest("uuid:") {
            self = .uuid(uuid)
        } else {
            return nil
        }
    }
}

extension XenAPIOptions {
    /// Every option, as the host checks and documents it.
    static let declared: [DriverOption] = connection + storage + guests + inventory

    private static let connection: [DriverOption] = [
        DriverOption(
            "connection_url", .string, default: nil,
            help:
                "URL of the XenAPI host that this node stands for: https://HOST. A member of a pool names its master, "
                + "to which all calls then go."),
        DriverOption("connection_username", .string, default: "root", help: "User who logs in."),
        DriverOption("connection_password", .secret, default: nil, help: "The user's password."),
        DriverOption(
            "connection_concurrent", .integer(min: 1, max: 64), default: "5",
            help: "Calls to the server at the same time."),
        DriverOption("login_timeout", .seconds, default: "10", help: "Longest time for a login."),
        DriverOption("call_timeout", .seconds, default: "120", help: "Longest time for one call that is no task."),
        DriverOption(
            "verify_certificates", .boolean, default: "true",
            help: "Whether the server must prove who it is. Off only on a network that nobody else reaches."),
        DriverOption(
            "certificate_authorities", .string, default: nil,
            help: "PEM file of the authorities that vouch for the servers, such as the pool's own certificate; the "
                + "system's authorities where it is not set."),
        DriverOption(
            "pool_host", .string, default: nil,
            help: "Name, address or UUID of the pool's host that this node stands for, where connection_url does not "
                + "say it."),
    ]

    private static let storage: [DriverOption] = [
        DriverOption(
            "sr_matching_filter", .string, default: "default-sr:true",
            help: "Storage repository of the guests' disks: default-sr:true for the pool's default one, or "
                + "other-config:KEY=VALUE (such as other-config:i18n-key=local-storage), name-label:NAME, uuid:UUID."),
        DriverOption(
            "vhd_coalesce_poll_interval", .seconds, default: "5",
            help: "Pause between two looks whether the server has merged a snapshot's remains."),
        DriverOption(
            "vhd_coalesce_max_attempts", .integer(min: 0, max: nil), default: "20",
            help: "How often a removal that meets a disk in use, by the server's own merging for example, is tried."),
        DriverOption(
            "cache_images", .choice(["all", "some", "none"]), default: "all",
            help: "Which images are kept as disks to clone from: all, some (those with the property "
                + "cache_in_nova=True) or none."),
    ]

    private static let guests: [DriverOption] = [
        DriverOption(
            "default_os_type", .string, default: "linux",
            help: "Operating system of images without the property os_type; windows turns on Hyper-V's interfaces."),
        DriverOption(
            "running_timeout", .seconds, default: "60", help: "Longest time for a guest to start."),
        DriverOption(
            "integration_bridge", .string, default: nil,
            help: "Network (by its bridge or name) that all interfaces join. Without it an interface joins the network "
                + "whose name, bridge or UUID is its network's physical network or identifier."),
    ]

    private static let inventory: [DriverOption] = [
        DriverOption(
            "reserved_host_memory_mb", .integer(min: 0, max: nil), default: "512",
            help: "Memory kept for the host beside what the hypervisor takes itself."),
        DriverOption(
            "reserved_host_disk_mb", .integer(min: 0, max: nil), default: "0", help: "Disk kept for the host."),
        DriverOption("reserved_host_cpus", .integer(min: 0, max: nil), default: "0", help: "Processors kept."),
        DriverOption(
            "cpu_allocation_ratio", .number(min: 0.1, max: nil), default: "4.0",
            help: "Over-commitment of processors."),
        DriverOption(
            "ram_allocation_ratio", .number(min: 0.1, max: 1), default: "1.0",
            help: "Over-commitment of memory; the hypervisor can do none, so at most 1."),
        DriverOption(
            "disk_allocation_ratio", .number(min: 0.1, max: nil), default: "1.0", help: "Over-commitment of disk."),
        DriverOption(
            "inventory_interval", .seconds, default: "60",
            help: "Longest pause between looks at the host; changes are seen at once by events."),
    ]
}

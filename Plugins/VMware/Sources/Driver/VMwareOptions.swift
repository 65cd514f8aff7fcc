import DriverAPI

/// The options of the group `[vmware]`, checked.
struct VMwareOptions: Sendable {
    let endpoint: VCenterEndpoint
    let clusterName: String
    let datastorePattern: String?
    let taskPollInterval: Duration
    let objectsMax: Int
    let integrationBridge: String?
    let usesLinkedClones: Bool
    /// Folder of cached images on each datastore.
    let cacheFolder: String
    let vncPort: Int
    let vncPortTotal: Int
    let vncPassword: String?
    let reservedCPUs: Int
    let reservedMemoryMiB: Int
    let reservedDiskMiB: Int
    let cpuRatio: Double
    let memoryRatio: Double
    let diskRatio: Double

    /// - Throws: ``DriverError/badConfiguration(_:)``.
    init(_ configuration: DriverConfiguration) throws(DriverError) {
        func needed(_ name: String) throws(DriverError) -> String {
            guard let value = configuration.string(name), !value.isEmpty else {
                throw .badConfiguration("[vmware] \(name) is not set; the driver cannot do without it")
            }
            return value
        }
        let trust: DriverHTTPRequest.Trust
        if configuration.boolean("insecure") {
            trust = .anyone
        } else if let path = configuration.string("ca_file"), !path.isEmpty {
            trust = .authorities(path: path)
        } else {
            trust = .system
        }
        endpoint = VCenterEndpoint(
            host: try needed("host_ip"), port: configuration.integer("host_port") ?? 443,
            user: try needed("host_username"), password: try needed("host_password"), trust: trust,
            retriesMax: configuration.integer("api_retry_count") ?? 10)
        clusterName = try needed("cluster_name")
        let pattern = configuration.string("datastore_regex") ?? ""
        datastorePattern = pattern.isEmpty ? nil : pattern
        if !pattern.isEmpty {
            do { _ = try Regex(pattern) } catch {
                throw .badConfiguration("[vmware] datastore_regex: '\(pattern)' is no regular expression: \(error)")
            }
        }
        taskPollInterval = .milliseconds(Int((configuration.number("task_poll_interval") ?? 0.5) * 1000))
        objectsMax = configuration.integer("maximum_objects") ?? 100
        integrationBridge = configuration.string("integration_bridge").flatMap { $0.isEmpty ? nil : $0 }
        usesLinkedClones = configuration.boolean("use_linked_clone")
        cacheFolder = (configuration.string("cache_prefix") ?? "") + "_base"
        vncPort = configuration.integer("vnc_port") ?? 5900
        vncPortTotal = configuration.integer("vnc_port_total") ?? 10000
        vncPassword = configuration.string("vnc_password").flatMap { $0.isEmpty ? nil : $0 }
        reservedCPUs = configuration.integer("reserved_host_cpus") ?? 0
        reservedMemoryMiB = configuration.integer("reserved_host_memory_mb") ?? 0
        reservedDiskMiB = configuration.integer("reserved_host_disk_mb") ?? 0
        cpuRatio = configuration.number("cpu_allocation_ratio") ?? 4
        memoryRatio = configuration.number("ram_allocation_ratio") ?? 1
        diskRatio = configuration.number("disk_allocation_ratio") ?? 1
    }

    /// Whether guests may lie on a datastore of that name. As in Nova, the pattern must fit from the name's beginning.
    func allows(_ datastore: DatastoreFacts) -> Bool {
        guard datastore.isAccessible else { return false }
        guard let datastorePattern, let regex = try? Regex(datastorePattern) else { return datastorePattern == nil }
        return datastore.name.prefixMatch(of: regex) != nil
    }

    /// Every option, as the host checks and documents it.
    static let declared: [DriverOption] = [
        DriverOption("host_ip", .string, default: nil, help: "Name or address of the vCenter."),
        DriverOption("host_port", .integer(min: 1, max: 65535), default: "443", help: "Its port."),
        DriverOption("host_username", .string, default: nil, help: "User to log in as."),
        DriverOption("host_password", .secret, default: nil, help: "The user's password."),
        DriverOption(
            "cluster_name", .string, default: nil, help: "The cluster that is this node. It must exist."),
        DriverOption(
            "datastore_regex", .string, default: nil,
            help: "Datastores whose name begins as this regular expression says are used; all without a value."),
        DriverOption(
            "insecure", .boolean, default: "false",
            help: "Trust whoever answers at host_ip. The password can then be stolen; use ca_file."),
        DriverOption(
            "ca_file", .string, default: nil,
            help: "PEM file of the authorities that vouch for the vCenter's certificate; else the system's."),
        DriverOption(
            "api_retry_count", .integer(min: 0, max: 1000), default: "10",
            help: "How often a call that only reads is repeated while the connection breaks."),
        DriverOption(
            "task_poll_interval", .seconds, default: "0.5",
            help: "Seconds between looks at a task while updates about it cannot be had."),
        DriverOption(
            "maximum_objects", .integer(min: 1, max: 10000), default: "100",
            help: "Most objects in one answer of the property collector; more come in further answers."),
        DriverOption(
            "integration_bridge", .string, default: nil,
            help: "Network (port group, distributed port group or opaque network) that guests join where the cluster "
                + "has none named by the network's identifier."),
        DriverOption(
            "use_linked_clone", .boolean, default: "true",
            help: "Let root disks lean on the cached image instead of copying it. An image's vmware_linked_clone goes "
                + "first."),
        DriverOption(
            "cache_prefix", .string, default: nil,
            help: "Begins the name of the folder of cached images, <prefix>_base. Nodes that share a datastore and "
                + "prefix share the images."),
        DriverOption(
            "vnc_port", .integer(min: 1, max: 65535), default: "5900",
            help: "First port for the VNC servers of guests on ESX hosts before 7.0."),
        DriverOption(
            "vnc_port_total", .integer(min: 1, max: 65535), default: "10000", help: "How many ports there are."),
        DriverOption("vnc_password", .secret, default: nil, help: "Password of the VNC servers; none without a value."),
        DriverOption(
            "reserved_host_cpus", .integer(min: 0, max: nil), default: "0", help: "Processors kept from guests."),
        DriverOption(
            "reserved_host_memory_mb", .integer(min: 0, max: nil), default: "512", help: "Memory kept from guests."),
        DriverOption(
            "reserved_host_disk_mb", .integer(min: 0, max: nil), default: "0", help: "Disk space kept from guests."),
        DriverOption(
            "cpu_allocation_ratio", .number(min: 0.1, max: nil), default: "4.0",
            help: "Over-commitment of processors."),
        DriverOption(
            "ram_allocation_ratio", .number(min: 0.1, max: nil), default: "1.0", help: "Over-commitment of memory."),
        DriverOption(
            "disk_allocation_ratio", .number(min: 0.1, max: nil), default: "1.0", help: "Over-commitment of disk."),
    ]
}

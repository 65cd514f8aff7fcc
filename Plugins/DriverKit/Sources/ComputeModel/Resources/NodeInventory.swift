/// What a hypervisor node is and offers. A driver sends one when it starts and again whenever it changes.
public struct NodeInventory: Hashable, Codable, Sendable {
    /// Nova's name of the hypervisor type, as `hypervisor_type` shows it: `QEMU`, `fake`, `VMware vCenter Server`.
    public var hypervisorType: String
    /// Version as one number, major × 1 000 000 + minor × 1 000 + release.
    public var hypervisorVersion: Int
    /// The node's own name, unique in the deployment.
    public var hypervisorHostname: String
    /// Processor description.
    public var cpu: CPUDescription
    /// What can run here: architecture, hypervisor type, machine mode.
    public var supportedGuests: [SupportedGuest]
    /// What placement is told.
    public var resources: [ResourceClass: ResourceInventory]
    /// Qualities found on this node (processor features, image formats, bus models).
    public var traits: Set<Trait>
    /// Physical disk space that is free where guests' disks are kept, in GiB.
    public var diskFreeGiB: Int
    /// Load and time since start of the host, in the form of uptime(1); `nil` if the hypervisor has no such thing.
    public var uptime: String?
    /// Processors, memory and devices in detail; `nil` from drivers that cannot place guests on them.
    public var topology: HostTopology?

    /// An inventory with the given facts.
    public init(
        hypervisorType: String, hypervisorVersion: Int, hypervisorHostname: String, cpu: CPUDescription,
        supportedGuests: [SupportedGuest], resources: [ResourceClass: ResourceInventory], traits: Set<Trait>,
        diskFreeGiB: Int, uptime: String? = nil, topology: HostTopology? = nil
    ) {
        self.hypervisorType = hypervisorType
        self.hypervisorVersion = hypervisorVersion
        self.hypervisorHostname = hypervisorHostname
        self.cpu = cpu
        self.supportedGuests = supportedGuests
        self.resources = resources
        self.traits = traits
        self.diskFreeGiB = diskFreeGiB
        self.uptime = uptime
        self.topology = topology
    }
}

/// A host's processor, as `cpu_info` shows it.
public struct CPUDescription: Hashable, Codable, Sendable {
    /// Architecture: `x86_64`.
    public var arch: String
    /// Vendor: `Intel`.
    public var vendor: String
    /// Model name.
    public var model: String
    /// Sockets per host (or per NUMA cell).
    public var sockets: Int
    /// Cores per socket.
    public var cores: Int
    /// Threads per core.
    public var threads: Int
    /// Feature flags.
    public var features: [String]

    /// A description with the given facts.
    public init(
        arch: String, vendor: String, model: String, sockets: Int = 1, cores: Int = 1, threads: Int = 1,
        features: [String] = []
    ) {
        self.arch = arch
        self.vendor = vendor
        self.model = model
        self.sockets = sockets
        self.cores = cores
        self.threads = threads
        self.features = features
    }
}

/// One kind of guest that a node can run.
public struct SupportedGuest: Hashable, Codable, Sendable {
    /// Architecture: `x86_64`.
    public var architecture: String
    /// Hypervisor type in Nova's words: `kvm`, `qemu`, `fake`.
    public var hypervisorType: String
    /// Machine mode: `hvm`, `xen`, `exe`.
    public var machineMode: String

    /// A kind of guest.
    public init(architecture: String, hypervisorType: String, machineMode: String) {
        self.architecture = architecture
        self.hypervisorType = hypervisorType
        self.machineMode = machineMode
    }
}

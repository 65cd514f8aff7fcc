public import ComputeModel

/// What a hypervisor counts of a guest: the standard document of `GET /servers/{id}/diagnostics` from 2.48 on.
/// Counters grow from the guest's start.
public struct GuestDiagnostics: Hashable, Codable, Sendable {
    /// One virtual processor.
    public struct CPU: Hashable, Codable, Sendable {
        public var id: Int?
        /// Processor time, in nanoseconds.
        public var timeNanoseconds: UInt64?
        /// Of one processor, 0 to 100.
        public var utilisationPercent: Int?
        public init(id: Int?, timeNanoseconds: UInt64? = nil, utilisationPercent: Int? = nil) {
            (self.id, self.timeNanoseconds, self.utilisationPercent) = (id, timeNanoseconds, utilisationPercent)
        }
    }
    /// One interface; octets and packets, in and out.
    public struct NIC: Hashable, Codable, Sendable {
        public var macAddress: String?
        public var receivedOctets: UInt64?
        public var receivedErrors: UInt64?
        public var receivedDrops: UInt64?
        public var receivedPackets: UInt64?
        public var sentOctets: UInt64?
        public var sentErrors: UInt64?
        public var sentDrops: UInt64?
        public var sentPackets: UInt64?
        public init(macAddress: String?) { self.macAddress = macAddress }
    }
    /// One disk; bytes and requests.
    public struct Disk: Hashable, Codable, Sendable {
        public var readBytes: UInt64?
        public var readRequests: UInt64?
        public var writtenBytes: UInt64?
        public var writeRequests: UInt64?
        public var errors: UInt64?
        public init() {}
    }

    /// The power state.
    public var power: PowerState
    /// Name of the driver, as Nova has it (`libvirt`, `xenapi`, `vmwareapi`), or its own.
    public var driver: String
    /// `kvm`, `qemu`, …
    public var hypervisor: String?
    /// The host's operating system: `linux`.
    public var hypervisorOS: String?
    /// Since the guest's start.
    public var uptimeSeconds: UInt64?
    /// Memory that the guest may use, in MiB.
    public var memoryMaximumMiB: UInt64?
    /// Memory that it uses.
    public var memoryUsedMiB: UInt64?
    /// Whether it has a configuration drive.
    public var hasConfigDrive: Bool
    public var cpus: [CPU]
    public var nics: [NIC]
    public var disks: [Disk]

    /// A document.
    public init(
        power: PowerState, driver: String, hypervisor: String? = nil, hypervisorOS: String? = nil,
        uptimeSeconds: UInt64? = nil, memoryMaximumMiB: UInt64? = nil, memoryUsedMiB: UInt64? = nil,
        hasConfigDrive: Bool = false, cpus: [CPU] = [], nics: [NIC] = [], disks: [Disk] = []
    ) {
        self.power = power
        self.driver = driver
        self.hypervisor = hypervisor
        self.hypervisorOS = hypervisorOS
        self.uptimeSeconds = uptimeSeconds
        self.memoryMaximumMiB = memoryMaximumMiB
        self.memoryUsedMiB = memoryUsedMiB
        self.hasConfigDrive = hasConfigDrive
        self.cpus = cpus
        self.nics = nics
        self.disks = disks
    }
}

/// Reads the hypervisor's counters. Proves `operation.get-guest-info` beyond the power state.
public protocol DiagnosingGuests: Sendable {
    /// The counters of a guest that exists, running or not.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``.
    func diagnostics(of guest: GuestID) async throws(DriverError) -> GuestDiagnostics
}

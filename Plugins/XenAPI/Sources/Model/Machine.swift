import ComputeModel

/// A virtual machine as the server describes it.
struct Machine: Hashable, Sendable {
    let reference: String
    let record: XenValue

    init(_ reference: String, _ record: XenValue) { (self.reference, self.record) = (reference, record) }

    var uuid: String { record["uuid"].text }
    var name: String { record["name_label"].text }
    var disks: [String] { record["VBDs"].texts }
    var interfaces: [String] { record["VIFs"].texts }
    var otherConfig: [String: String] { record["other_config"].textMap }
    /// The host that it runs on.
    var host: String? { record["resident_on"].reference }
    /// Templates, snapshots and control domains are machines to the server, but no guests.
    var isGuest: Bool {
        !record["is_a_template"].truth && !record["is_a_snapshot"].truth && !record["is_control_domain"].truth
    }
    /// The guest of ours that it is.
    var guest: GuestID? { otherConfig[Mark.guest].flatMap { GuestID($0) } }
    /// The guest of ours that it was until it departed.
    var departedGuest: GuestID? { otherConfig[Mark.departed].flatMap { GuestID($0) } }
    /// The last operation on it.
    var operation: Int64 { otherConfig[Mark.operation].flatMap { Int64($0) } ?? 0 }
    /// Whether it was made to the end.
    var isComplete: Bool { otherConfig[Mark.madeBy] != nil }
    var isRunning: Bool { state == "Running" }
    var isOff: Bool { state == "Halted" }
    /// `Halted`, `Running`, `Paused` or `Suspended`.
    var state: String { record["power_state"].text }
    var power: PowerState { Self.power(state) }
    /// Largest memory in MiB.
    var memoryMiB: Int { Int(max(0, record["memory_static_max"].integer ?? 0) >> 20) }
    var vcpus: Int { min(4096, max(0, Int(record["VCPUs_max"].integer ?? 1))) }
    /// Tasks that work on it, with what they do.
    var currentOperations: [String: String] { record["current_operations"].textMap }

    /// The power state of the server's word.
    static func power(_ state: String) -> PowerState {
        switch state {
        case "Running": .running
        case "Paused": .paused
        case "Suspended": .suspended
        case "Halted": .shutdown
        default: .noState
        }
    }
}

/// A disk of a machine: the server's VBD with what it holds.
struct MachineDisk: Hashable, Sendable {
    let reference: String
    let record: XenValue

    init(_ reference: String, _ record: XenValue) { (self.reference, self.record) = (reference, record) }

    var vdi: String? { record["VDI"].reference }
    /// Its place, 0 to 15.
    var place: String { record["userdevice"].text }
    var isAttached: Bool { record["currently_attached"].truth }
    var isBootable: Bool { record["bootable"].truth }
    var otherConfig: [String: String] { record["other_config"].textMap }
    var volume: VolumeID? { otherConfig[Mark.volume].flatMap { VolumeID($0) } }
    var role: DiskRole? { otherConfig[Mark.role].flatMap { DiskRole(rawValue: $0) } }
}

/// A virtual disk image.
struct VirtualDisk: Hashable, Sendable {
    let reference: String
    let record: XenValue

    init(_ reference: String, _ record: XenValue) { (self.reference, self.record) = (reference, record) }

    var uuid: String { record["uuid"].text }
    var repository: String { record["SR"].text }
    var bytes: UInt64 { UInt64(clamping: record["virtual_size"].integer ?? 0) }
    var allocatedBytes: UInt64 { UInt64(clamping: record["physical_utilisation"].integer ?? 0) }
    var otherConfig: [String: String] { record["other_config"].textMap }
    var guest: GuestID? { otherConfig[Mark.guest].flatMap { GuestID($0) } }
    var role: DiskRole? { otherConfig[Mark.role].flatMap { DiskRole(rawValue: $0) } }
    var image: ImageID? { otherConfig[Mark.image].flatMap { ImageID($0) } }
}

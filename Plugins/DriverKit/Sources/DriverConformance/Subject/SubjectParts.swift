public import ComputeModel

/// Stops and starts the hypervisor under the driver.
public protocol HypervisorControl: Sendable {
    /// Whether guests end with the hypervisor.
    var endsGuests: Bool { get }
    /// Stops the hypervisor at once, as a crash does. Returns when calls no longer reach it.
    func kill() async throws
    /// Starts it again. Returns when it can be reached; succeeds when it runs.
    func revive() async throws
    /// Lets it take calls and not answer them until it is revived; `false` when that cannot be had.
    func hang() async throws -> Bool
}

extension HypervisorControl {
    public func hang() async throws -> Bool { false }
}

/// What befalls guests without anybody's call.
public protocol GuestAccidents: Sendable {
    /// The guest turns itself off.
    func stop(_ guest: GuestID) async throws
    /// The guest crashes; `false` when that cannot be had.
    func crash(_ guest: GuestID) async throws -> Bool
}

/// Makes volumes for the suite.
public protocol ConformanceVolumes: Sendable {
    /// Makes an empty volume of that kind, or of any where none is named; `nil` when it has none of that kind.
    func make(_ kind: VolumeConnection.Kind?, sizeGiB: Int) async throws -> VolumeSpec?
    /// Makes a volume that a guest boots from; `nil` when there is none.
    func makeBootable() async throws -> VolumeSpec?
    /// Makes a volume that the hypervisor must decrypt, with its passphrase; `nil` when there is none.
    func makeEncrypted() async throws -> VolumeSpec?
    /// Removes it.
    func remove(_ volume: VolumeSpec) async throws
    /// Makes the volume itself larger, as a volume service does before it tells the hypervisor.
    func grow(_ volume: VolumeSpec, toGiB sizeGiB: Int) async throws
    /// Writes at the beginning of a volume that no guest holds.
    func write(_ bytes: [UInt8], to volume: VolumeSpec) async throws
    /// Reads from the beginning of a volume that no guest holds; `nil` when that cannot be seen.
    func read(_ count: Int, from volume: VolumeSpec) async throws -> [UInt8]?
}

extension ConformanceVolumes {
    public func makeBootable() async throws -> VolumeSpec? { nil }
    public func makeEncrypted() async throws -> VolumeSpec? { nil }
}

/// Makes guests that the driver under test did not make.
public protocol ForeignGuests: Sendable {
    /// Makes a guest that runs.
    func make() async throws -> GuestID
    /// Its power state, found without the driver's help; `nil` when it is gone.
    func power(of guest: GuestID) async throws -> PowerState?
    /// Removes it.
    func remove(_ guest: GuestID) async throws
}

/// Makes calls on one guest slow, or lets them fail, by metadata that the guest is made with.
///
/// Calls are named in snake case as the driver API names them: `spawn`, `destroy`, `power_on`, `power_off`, `reboot`,
/// `pause`, `unpause`, `suspend`, `resume`, `snapshot`, `rescue`, `unrescue`, `attach_volume`, `detach_volume`,
/// `extend_volume`, `swap_volume`, `attach_interface`, `detach_interface`, `set_password`, `set_clock`, `quiesce`,
/// `unquiesce`, `trigger_crash_dump`, `depart`, `arrive`, `confirm_departure`, `abandon_arrival`, `take_back`, `adopt`,
/// `forget`, `prepare_arrival`, `migrate`, `finish_arrival`, `finish_departure`, `abandon_live_arrival`.
public protocol CallRehearsal: Sendable {
    /// Metadata with which the call takes at least so long; `nil` when that cannot be had for this call.
    func slowing(_ call: String, by delay: Duration) -> [String: String]?
    /// Metadata with which the first attempt at the call fails with `DriverError.failed` after having begun; `nil`
    /// when that cannot be had for this call.
    func failing(_ call: String) -> [String: String]?
    /// Metadata with which a guest ignores requests to shut down; `nil` when that cannot be had.
    var deafening: [String: String]? { get }
}

extension CallRehearsal {
    public var deafening: [String: String]? { nil }
}

/// Looks into guests from outside the driver. Each question may be answered with `nil`: cannot be seen.
public protocol GuestInsight: Sendable {
    /// How often the guest was started since it was made.
    func boots(of guest: GuestID) async throws -> Int?
    /// The password that was set last.
    func password(of guest: GuestID) async throws -> String?
    /// Whether the file systems are frozen.
    func isQuiet(_ guest: GuestID) async throws -> Bool?
    /// The size at which the guest sees a volume.
    func sizeGiB(of volume: VolumeID, in guest: GuestID) async throws -> Int?
    /// The size of the root disk.
    func rootGiB(of guest: GuestID) async throws -> Int?
    /// A fingerprint of what the guest keeps on its root disk; the same as long as that is the same.
    func rootContent(of guest: GuestID) async throws -> String?
    /// How often the guest was interrupted for a crash dump.
    func interrupts(of guest: GuestID) async throws -> Int?
    /// How often the guest's clock was set.
    func clockSettings(of guest: GuestID) async throws -> Int?
    /// Memory that the guest takes from the node now, in MiB.
    func residentMiB(of guest: GuestID) async throws -> Int?
    /// Path and content of the files on the guest's configuration drive.
    func configDrive(of guest: GuestID) async throws -> [String: [UInt8]]?
    /// Tags of the guest's devices.
    func tags(of guest: GuestID) async throws -> Set<String>?
}

extension GuestInsight {
    public func boots(of guest: GuestID) async throws -> Int? { nil }
    public func password(of guest: GuestID) async throws -> String? { nil }
    public func isQuiet(_ guest: GuestID) async throws -> Bool? { nil }
    public func sizeGiB(of volume: VolumeID, in guest: GuestID) async throws -> Int? { nil }
    public func rootGiB(of guest: GuestID) async throws -> Int? { nil }
    public func rootContent(of guest: GuestID) async throws -> String? { nil }
    public func interrupts(of guest: GuestID) async throws -> Int? { nil }
    public func clockSettings(of guest: GuestID) async throws -> Int? { nil }
    public func residentMiB(of guest: GuestID) async throws -> Int? { nil }
    public func configDrive(of guest: GuestID) async throws -> [String: [UInt8]]? { nil }
    public func tags(of guest: GuestID) async throws -> Set<String>? { nil }
}

/// What a case may need of a subject.
public enum SubjectPart: String, Codable, CaseIterable, Sendable {
    case world
    case hypervisorControl = "hypervisor-control"
    case volumes
    case interfaces
    case foreignGuests = "foreign-guests"
    case accidents
    case rehearsal
    case agent
    case hostPower = "host-power"
    case secondNode = "second-node"

    /// Why a case without it is skipped.
    public var absence: String {
        switch self {
        case .world: "what is on the hypervisor cannot be seen from outside the driver"
        case .hypervisorControl: "the hypervisor cannot be stopped and started"
        case .volumes: "there are no volumes"
        case .interfaces: "there is no network to join"
        case .foreignGuests: "there is no way to make guests that are not the driver's"
        case .accidents: "guests cannot be made to turn themselves off"
        case .rehearsal: "calls can be neither slowed down nor made to fail"
        case .agent: "there is no image with a guest agent"
        case .hostPower: "the node must not be turned off"
        case .secondNode: "there is no second node"
        }
    }
}

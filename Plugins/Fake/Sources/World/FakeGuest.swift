import ComputeModel
import DriverAPI

/// A guest that is not there.
struct FakeGuest: Codable, Hashable, Sendable {
    /// Where its memory is.
    enum Memory: String, Codable, Sendable {
        /// Nowhere: the guest is off.
        case none
        /// In the node's memory.
        case held
        /// On disk.
        case saved
    }
    /// A rescue that goes on.
    struct Rescue: Codable, Hashable, Sendable {
        var image: ImageID
        var stableDevice: StableDevice?
    }
    /// On what a rescue image appears.
    struct StableDevice: Codable, Hashable, Sendable {
        var device: String
        var bus: String
    }

    let id: GuestID
    var name: String
    /// Whether the driver made it. Foreign guests are listed and never touched.
    var isOurs = true
    var power: PowerState
    var memory = Memory.none
    /// The last operation seen.
    var operation: Int64
    /// The calls of that operation that ended well, with their answers where they had one.
    var done: [String] = []
    /// The server's metadata at spawn: rehearsals of later calls stand in it.
    var metadata: [String: String]
    /// How often it was started.
    var boots: Int
    /// When it was last started.
    var startedAt: Timestamp?
    var flavor = FlavorSpec(flavorID: "", name: "", vcpus: 1, memoryMiB: 1, rootGiB: 0)
    var image: ImageID?
    var agent = GuestAgent.answers
    var hasConfigDrive = false
    var volumes: [AttachedVolume] = []
    var interfaces: [AttachedInterface] = []
    var topology: GuestTopology?
    var pciDevices: [String] = []
    var rescue: Rescue?
    /// Until when its file systems are frozen; past moments mean that they thawed by themselves.
    var frozenUntil: Timestamp?
    /// Set by a cold move that has left and is not confirmed: the guest cannot be used here.
    var isSetAside = false
    /// The move by which it came.
    var arrivedBy: String?
    var console = ConsoleHistory()

    /// A guest with the least that every guest has.
    init(id: GuestID, name: String, power: PowerState, operation: Int64, metadata: [String: String], boots: Int) {
        self.id = id
        self.name = name
        self.power = power
        self.operation = operation
        self.metadata = metadata
        self.boots = boots
    }

    var summary: GuestSummary { GuestSummary(id: id, name: name, power: power, isOurs: isOurs) }
    /// Whether it takes up the node's processors and memory.
    var isUp: Bool { power == .running || power == .paused }
    var root: DiskName { DiskName(guest: id, role: .root) }
    /// Whether it was told to ignore the power button: `fake:deaf` = `true`.
    var isDeaf: Bool { metadata["fake:deaf"] == "true" }

    /// Starts it from nothing.
    mutating func boot(at now: Timestamp) {
        boots += 1
        power = .running
        memory = .held
        startedAt = now
        frozenUntil = nil
        console.add(rescue == nil ? "boot \(boots) of \(name) (\(id))" : "rescue boot \(boots) of \(name) (\(id))")
    }

    /// Takes its power away; saved memory is lost.
    mutating func stop() {
        if power != .shutdown, power != .crashed { console.add("powered off") }
        power = .shutdown
        memory = .none
        frozenUntil = nil
    }

    /// Notes that a call of an operation ended well.
    mutating func note(_ call: String, _ number: Int64) {
        see(number)
        if !done.contains(call) { done.append(call) }
    }

    /// Notes that an operation was asked for.
    mutating func see(_ number: Int64) {
        guard number > operation else { return }
        operation = number
        done = []
    }
}

/// How a guest's agent behaves: the image's `hw_qemu_guest_agent` = `no` takes it away; `fake:agent` of the server's
/// metadata says `none`, `silent` or `refuses`.
enum GuestAgent: String, Codable, Sendable {
    case answers
    case silent
    case refuses
    case none

    /// The agent of a guest to be.
    init(_ spec: GuestSpec) {
        let isWanted = spec.image?.properties["hw_qemu_guest_agent"] != "no"
        self = spec.metadata["fake:agent"].flatMap { GuestAgent(rawValue: $0) } ?? (isWanted ? .answers : .none)
    }
}

/// A volume that a guest holds: what is needed later, without the secrets of its connection.
struct AttachedVolume: Codable, Hashable, Sendable {
    var id: VolumeID
    var kind: VolumeConnection.Kind
    /// The file, where it is one.
    var path: String?
    var sizeGiB: Int
    var deviceName: String?
    var tag: String?
    var bootIndex: Int?
    var isShared: Bool

    init(_ spec: VolumeSpec) {
        id = spec.id
        kind = spec.connection.kind
        if case .file(let path, _) = spec.connection { self.path = path }
        sizeGiB = spec.sizeGiB
        deviceName = spec.deviceName
        tag = spec.tag
        bootIndex = spec.bootIndex
        isShared = spec.isShared
    }
}

/// An interface that a guest has.
struct AttachedInterface: Codable, Hashable, Sendable {
    var port: PortID
    var macAddress: String
    var tag: String?

    init(_ spec: NetworkInterfaceSpec) {
        (port, macAddress, tag) = (spec.portID, spec.macAddress.lowercased(), spec.tag)
    }
}

/// What a guest wrote to its first serial port: its last lines.
struct ConsoleHistory: Codable, Hashable, Sendable {
    /// Older lines are dropped: the journal carries them with every change of the guest.
    private static let linesMax = 64
    private(set) var lines: [String] = []

    /// Adds a line.
    mutating func add(_ line: String) {
        lines.append(line)
        if lines.count > Self.linesMax { lines.removeFirst(lines.count - Self.linesMax) }
    }
}

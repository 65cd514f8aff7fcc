public import ComputeModel

/// A hypervisor as the compute agent sees it. Every driver implements this much; what it can do beyond stands in
/// ``Capabilities``.
///
/// One driver object serves one node. Every operation is idempotent by ``DriverCall/operation``: the agent repeats
/// a call whose answer it did not receive, and the repeated call ends as the first did. Every operation answers
/// cancellation of its task within five seconds, leaving what an error would leave. Guests never depend on the life
/// of the driver or of its host process.
public protocol ComputeDriver: Sendable {
    /// What this driver can do on this host beyond the core. Fixed once the driver has started.
    var capabilities: Capabilities { get }

    /// Whether the hypervisor can be used now. The first element comes at once; then one whenever it changes.
    /// An agent marks its node down while the last element is not healthy. The stream keeps only the newest element
    /// for a slow reader.
    func health() -> AsyncStream<DriverHealth>

    /// What this node offers, at once and again whenever it changes. Keeps only the newest for a slow reader.
    func inventory() -> AsyncStream<NodeInventory>

    /// Guests that changed state, by whatever cause. A bounded buffer: when a slow reader loses events, the stream
    /// delivers ``GuestEvent/missed`` and the reader must ask ``guests()``.
    func events() -> AsyncStream<GuestEvent>

    /// Finds the guests of earlier runs again, called once after start and after every reconnection, before other
    /// calls. A handle whose guest is gone is left out of the answer.
    ///
    /// - Parameter handles: what ``spawn(_:_:)`` returned for guests that this node should hold.
    /// - Returns: the guests found, with handles as they should be kept from now on.
    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle]

    /// All guests that the hypervisor holds now, including foreign ones, which are reported and never touched.
    func guests() async throws(DriverError) -> [GuestSummary]

    /// The power state of one guest.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)`` when the hypervisor does not know it.
    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState

    /// Creates and boots a guest; returns when it runs.
    ///
    /// Precondition: its network interfaces are prepared as their bindings say. Repeating it for a running guest
    /// made by the same operation succeeds. If it throws, nothing of the guest remains.
    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle

    /// Removes a guest, its disks and everything made for it. Removing an absent guest succeeds. If it throws,
    /// it can be repeated.
    ///
    /// - Throws: ``DriverError/refused(_:)`` for a guest that is not ours.
    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// Starts a stopped guest from the definition kept; succeeds for a running one.
    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// Stops a guest: asks it first and waits up to `grace`, then pulls the plug. `grace` of zero pulls at once.
    /// Succeeds for a stopped one.
    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError)

    /// Restarts a guest. A soft reboot asks the guest, waits up to `grace` and then becomes a hard one. A hard one
    /// also brings a stopped or crashed guest up.
    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)

    /// Ends streams, which end by nothing else, and connections. Guests keep running.
    func shutDown() async
}

/// How to restart a guest.
public enum RebootKind: String, Codable, Sendable {
    /// Ask the guest's operating system.
    case soft = "SOFT"
    /// Reset the machine.
    case hard = "HARD"
}

/// The circumstances of one call.
public struct DriverCall: Hashable, Codable, Sendable {
    /// Grows with each operation on one guest. The same call with an equal number is a repeat; another call with an
    /// equal number is new, as when the host removes what a late spawn has made. A lower number than the last one seen
    /// is stale, also for guests that have been removed.
    public let operation: Int64
    /// The request that caused it, for logs.
    public let requestID: String

    /// A call.
    public init(operation: Int64, requestID: String) {
        self.operation = operation
        self.requestID = requestID
    }
}

/// What a driver needs in order to find its guest again, opaque to the host, which keeps it.
public struct GuestHandle: Hashable, Codable, Sendable {
    /// Version of the form of ``data``, chosen by the driver.
    public let version: Int
    /// The driver's own.
    public let data: [UInt8]

    /// A handle.
    public init(version: Int, data: [UInt8]) { (self.version, self.data) = (version, data) }
}

/// A guest as the hypervisor lists it.
public struct GuestSummary: Hashable, Codable, Sendable {
    /// The guest's UUID.
    public let id: GuestID
    /// The hypervisor's name for it.
    public let name: String
    /// Its power state.
    public let power: PowerState
    /// Whether this driver made it. Foreign guests are reported to operators and never touched.
    public let isOurs: Bool

    /// A summary.
    public init(id: GuestID, name: String, power: PowerState, isOurs: Bool) {
        self.id = id
        self.name = name
        self.power = power
        self.isOurs = isOurs
    }
}

/// Whether a hypervisor can be used.
public enum DriverHealth: Hashable, Codable, Sendable {
    /// Usable.
    case healthy
    /// Not usable now, and why, in one sentence for operators.
    case unhealthy(String)
}

/// Something that happened to a guest.
public enum GuestEvent: Hashable, Codable, Sendable {
    /// The guest's power state is now this.
    case power(GuestID, PowerState)
    /// Events were lost; ask for all guests.
    case missed
}

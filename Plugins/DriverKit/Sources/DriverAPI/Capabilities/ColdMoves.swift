public import ComputeModel

/// What a guest takes along when it moves, from the source's driver to the destination's through the host.
public struct MovePackage: Hashable, Codable, Sendable {
    /// Version of the form of ``data``.
    public var version: Int
    /// The drivers' own.
    public var data: [UInt8]
    /// Files that the destination fetches by ``DriverHost/fetchFile(_:to:)``; empty where both sides see the disks.
    public var files: [FileOffer]

    /// A package.
    public init(version: Int, data: [UInt8], files: [FileOffer] = []) {
        (self.version, self.data, self.files) = (version, data, files)
    }
}

/// Where a guest goes that moves while it is off.
public struct ColdMove: Hashable, Codable, Sendable {
    /// The node it comes to.
    public var destination: String
    /// Whether that is the node it is on: a resize in place.
    public var staysOnNode: Bool
    /// Its sizes there.
    public var flavor: FlavorSpec
    /// How long the guest may take to shut down by itself before the plug is pulled.
    public var grace: Duration

    /// A move.
    public init(destination: String, staysOnNode: Bool, flavor: FlavorSpec, grace: Duration) {
        (self.destination, self.staysOnNode, self.flavor, self.grace) = (destination, staysOnNode, flavor, grace)
    }
}

/// Moves guests that are off, to other sizes, another node or both. Proves `operation.resize`.
///
/// ```
///   source: depart ──▶ destination: arrive ──▶ confirmed   source: confirmDeparture
///                                          └─▶ reverted    destination: abandonArrival, then source: takeBack
/// ```
///
/// Until it is confirmed, the source keeps everything that it needs to take the guest back as it was.
public protocol ResizingGuests: Sendable {
    /// Whether a guest can be resized on the node that it is on.
    var canStayOnNode: Bool { get }

    /// On the source: stops the guest and sets its disks aside for the destination. Long; reports progress. Repeating
    /// it answers with the same package. If it throws, the guest is as before, though it may be off.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/refused(_:)`` for a disk that would have to shrink.
    func depart(_ guest: GuestID, _ move: ColdMove, _ call: DriverCall) async throws(DriverError) -> MovePackage

    /// On the destination: makes the guest from what was set aside, grows its root disk to the flavor's, and starts it
    /// where ``GuestSpec/isRunning`` says so. Repeating it succeeds. If it throws, nothing of it remains here.
    func arrive(_ spec: GuestSpec, with package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle

    /// On the source: removes what was kept. Repeating it succeeds. Never touches the guest that has arrived, which may
    /// be on this very node.
    func confirmDeparture(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError)

    /// On the destination: removes the guest that has arrived and leaves what the source needs. Repeating it succeeds.
    func abandonArrival(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError)

    /// On the source: makes the guest be what it was before ``depart(_:_:_:)``, from the specification of then.
    /// Repeating it succeeds.
    func takeBack(_ spec: GuestSpec, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
}

/// Brings guests of a node that is dead up on another. Proves `operation.evacuate`.
public protocol EvacuatingGuests: Sendable {
    /// Whether this node reaches the guest's disks: they lie on storage that nodes share.
    func holdsDisks(of guest: GuestID) async throws(DriverError) -> Bool

    /// Makes a guest here from disks that are there already. Otherwise as ``ComputeDriver/spawn(_:_:)``; if it throws,
    /// the disks are untouched.
    ///
    /// - Throws: ``DriverError/refused(_:)`` when the disks are not there.
    func adopt(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle

    /// Removes a guest that runs elsewhere now and leaves its disks where the other node may use them. Removing an
    /// absent guest succeeds.
    func forget(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)
}

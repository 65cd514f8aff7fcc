public import ComputeModel

/// Where a running guest goes, and how.
public struct LiveMove: Hashable, Codable, Sendable {
    /// The node it leaves.
    public var source: String
    /// The node it comes to.
    public var destination: String
    /// Address at which the destination takes it; `nil` until the destination has named one.
    public var address: String?
    /// Whether disks are copied as well; `nil` lets the drivers find out whether both sides see them.
    public var copiesDisks: Bool?
    /// Whether the guest may be finished on the destination while memory still comes over.
    public var mayPostCopy: Bool
    /// Whether the guest may be slowed down when it changes memory faster than it is copied.
    public var mayThrottle: Bool
    /// Mebibytes per second; `nil` for no limit.
    public var bandwidthMiB: Int?
    /// How long the guest may stand still at the end, in milliseconds.
    public var downtimeMilliseconds: Int

    /// A move.
    public init(
        source: String, destination: String, address: String? = nil, copiesDisks: Bool? = nil,
        mayPostCopy: Bool = false, mayThrottle: Bool = false, bandwidthMiB: Int? = nil,
        downtimeMilliseconds: Int = 500
    ) {
        self.source = source
        self.destination = destination
        self.address = address
        self.copiesDisks = copiesDisks
        self.mayPostCopy = mayPostCopy
        self.mayThrottle = mayThrottle
        self.bandwidthMiB = bandwidthMiB
        self.downtimeMilliseconds = downtimeMilliseconds
    }
}

/// How a live migration ended on the source.
public enum LiveMoveEnd: String, Codable, Sendable {
    /// The guest runs on the destination.
    case moved
    /// The guest runs on the source as before: the move failed, or was aborted.
    case stayed
}

/// Moves guests while they run. Proves `operation.live-migrate`,
/// `operation.force-live-migration-to-complete` and `operation.abort-in-progress-live-migration`.
///
/// ```
///   destination: offer ──▶ source: check ──▶ destination: prepareArrival ──▶ source: migrate
///        moved   ──▶ destination: finishArrival,  source: finishDeparture
///        stayed  ──▶ destination: abandonArrival
/// ```
///
/// Packages go from call to call and carry what the drivers of both sides need to know of each other.
public protocol LiveMigratingGuests: Sendable {
    /// On the destination: whether the guest can come, and the facts by which the source judges. Changes nothing that
    /// lasts.
    ///
    /// - Throws: ``DriverError/refused(_:)`` with the reason.
    func offer(for spec: GuestSpec, _ move: LiveMove) async throws(DriverError) -> MovePackage

    /// On the source: whether the guest can go there. Changes nothing.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/refused(_:)`` with the reason: disks that one side does
    ///   not see, a processor that lacks features, devices passed through.
    func check(_ guest: GuestID, _ move: LiveMove, _ offer: MovePackage) async throws(DriverError) -> MovePackage

    /// On the destination: makes what the guest needs to come: disks, volumes, interfaces. Repeating it succeeds. If it
    /// throws, nothing of it remains.
    func prepareArrival(of spec: GuestSpec, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> MovePackage

    /// On the source: moves the guest and returns when it is either there or still here; long, with progress in percent
    /// of memory and disks. Repeating it after the driver was restarted finds out how it ended or goes on.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``, ``DriverError/unreachable(_:)`` when nobody knows; any failure that
    ///   leaves the guest here is an answer and no error, with its reason in the log.
    func migrate(_ guest: GuestID, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> LiveMoveEnd

    /// On the source: ends a migration soon, by post-copy where it may or by letting the guest stand still.
    ///
    /// - Throws: ``DriverError/refused(_:)`` when the guest does not migrate.
    func forceComplete(_ guest: GuestID) async throws(DriverError)

    /// On the source: ends a migration with the guest where it is.
    ///
    /// - Throws: ``DriverError/refused(_:)`` when the guest does not migrate or can no longer be held.
    func abort(_ guest: GuestID) async throws(DriverError)

    /// On the destination, after the guest has come: makes its definition last. Repeating it succeeds.
    func finishArrival(of spec: GuestSpec, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle

    /// On the source, after the guest has gone: removes what is left here, though not disks that both sides see.
    /// Repeating it succeeds.
    func finishDeparture(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError)

    /// On the destination, when the guest does not come: removes what was prepared. Repeating it succeeds.
    func abandonArrival(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError)
}

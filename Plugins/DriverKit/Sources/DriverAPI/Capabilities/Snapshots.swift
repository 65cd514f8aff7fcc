public import ComputeModel

/// What a snapshot shall become.
public struct SnapshotTarget: Hashable, Codable, Sendable {
    /// The image to fill, which exists in the image service and waits for its data.
    public var image: ImageID
    /// Disk format that the image was declared with.
    public var diskFormat: String
    /// Whether the guest's file systems must be quiet at that moment; then it fails where that cannot be had.
    public var mustQuiesce: Bool

    /// A target.
    public init(image: ImageID, diskFormat: String, mustQuiesce: Bool = false) {
        (self.image, self.diskFormat, self.mustQuiesce) = (image, diskFormat, mustQuiesce)
    }
}

/// Makes images of guests' root disks. Proves `operation.snapshot`.
public protocol SnapshottingGuests: Sendable {
    /// Formats that an image can have, the driver's preference first.
    var formats: [String] { get }

    /// Uploads the root disk as it is at one moment, by ``DriverHost/storeImage(_:from:format:)``. The guest keeps its
    /// power state; a running one stands still for a moment at most where the hypervisor can, as
    /// ``isLive`` says. Long; reports progress. Repeating it uploads again.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/notSupported(_:)`` for a format or for a guest without
    ///   a root disk; ``DriverError/insufficientResources(_:)``. If it throws, nothing of the snapshot remains on the
    ///   hypervisor, and the guest is as before.
    func snapshot(_ guest: GuestID, to target: SnapshotTarget, _ call: DriverCall) async throws(DriverError)

    /// Whether a running guest runs on during a snapshot.
    var isLive: Bool { get }
}

/// Silences a guest's file systems through its agent. Proves `operation.quiesce` and `operation.unquiesce`.
public protocol QuiescingGuests: Sendable {
    /// Freezes the file systems; succeeds when they are frozen. A driver thaws by itself what nobody thawed within a
    /// minute.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/notSupported(_:)`` for a guest without an agent;
    ///   ``DriverError/timedOut(_:)`` when the agent does not answer. If it throws, they are not frozen.
    func quiesce(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// Thaws them; succeeds when they are not frozen.
    ///
    /// - Throws: as ``quiesce(_:_:)``.
    func unquiesce(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)
}

public import ComputeModel

/// Gives volumes to guests that exist. Proves `operation.attach-volume`, `operation.detach-volume`, `storage.block`
/// and the back ends that ``VolumeConnector/kinds`` names.
///
/// A guest that is off has its definition changed; a running one also gets the device at once.
public protocol AttachingVolumes: Sendable {
    /// What the volume service must know of this host.
    func connector() async throws(DriverError) -> VolumeConnector

    /// Attaches a volume; succeeds when that volume is attached already. If it throws, it is not attached.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/notSupported(_:)`` for a kind of connection, a bus, a
    ///   tag or an encryption that the driver does not know; ``DriverError/refused(_:)`` for a device name in use.
    func attach(_ volume: VolumeSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// Detaches a volume and returns when neither guest nor definition has it; succeeds when it is not attached.
    /// Asks a running guest and repeats the wish while it does not answer.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/busy(_:)`` when the guest does not give it back: it
    ///   stays attached, in the definition too.
    func detach(_ volume: VolumeID, from guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// The volumes that a guest holds now.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``.
    func volumes(of guest: GuestID) async throws(DriverError) -> Set<VolumeID>
}

/// Tells guests that an attached volume has grown. Proves `operation.extend-volume`.
public protocol ExtendingVolumes: Sendable {
    /// Lets a guest see the new size; succeeds when it sees that already.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/refused(_:)`` when the guest does not hold the volume.
    func extend(_ volume: VolumeID, of guest: GuestID, toGiB sizeGiB: Int, _ call: DriverCall)
        async throws(DriverError)
}

/// Copies an attached volume to another and swaps them under the running guest. Proves `operation.swap-volume`.
public protocol SwappingVolumes: Sendable {
    /// Replaces `old` by `new`, whose content is `old`'s afterwards; succeeds when `new` is attached in its place.
    /// Long; reports progress. If it throws, `old` is attached as before.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/refused(_:)`` when the guest does not hold `old` or
    ///   `new` is smaller.
    func swap(_ old: VolumeID, for new: VolumeSpec, of guest: GuestID, _ call: DriverCall) async throws(DriverError)
}

/// Gives network interfaces to guests that exist. Proves `operation.attach-interface` and
/// `operation.detach-interface`.
///
/// A guest that is off has its definition changed; a running one also gets the device at once.
public protocol AttachingInterfaces: Sendable {
    /// Attaches an interface that is prepared on the host; succeeds when that port is attached already. If it throws,
    /// it is not attached.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/notSupported(_:)`` for a kind of binding or a tag;
    ///   ``DriverError/insufficientResources(_:)`` when the guest has no room for another.
    func attach(_ interface: NetworkInterfaceSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// Detaches an interface and returns when neither guest nor definition has it; succeeds when it is not attached.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/busy(_:)`` when the guest does not give it back: it
    ///   stays attached, in the definition too.
    func detach(_ port: PortID, from guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// The hardware addresses of the interfaces that a guest has now, lower case with colons.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``.
    func interfaces(of guest: GuestID) async throws(DriverError) -> Set<String>
}

public import ComputeModel

/// Freezes a guest's processors and keeps its memory. Proves `operation.pause` and `operation.unpause`.
public protocol PausingGuests: Sendable {
    /// Freezes a running guest, which is ``PowerState/paused`` afterwards; succeeds for a paused one.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/refused(_:)`` for a guest that does not run. If it
    ///   throws, the guest runs on.
    func pause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// Lets a paused guest run on; succeeds for a running one.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/refused(_:)`` for a guest that is off.
    func unpause(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)
}

/// Writes a guest's memory to disk and frees what it held. Proves `operation.suspend` and `operation.resume`.
public protocol SuspendingGuests: Sendable {
    /// Saves a running or paused guest, which is ``PowerState/suspended`` or ``PowerState/shutdown`` afterwards and
    /// holds no memory of the node; succeeds for a suspended one.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/insufficientResources(_:)`` for a full disk;
    ///   ``DriverError/refused(_:)`` for a guest that is off. If it throws, the guest runs on as before.
    func suspend(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)

    /// Brings a suspended guest back to where it was; succeeds for a running one. A guest whose saved memory is lost
    /// is started anew.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``.
    func resume(_ guest: GuestID, _ call: DriverCall) async throws(DriverError)
}

/// Interrupts a guest so that its operating system writes a crash dump. Proves `operation.trigger-crash-dump`.
public protocol TriggeringCrashDumps: Sendable {
    /// Injects a non-maskable interrupt into a running guest. Repeating it may interrupt the guest again.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/refused(_:)`` for a guest that does not run.
    func triggerCrashDump(of guest: GuestID, _ call: DriverCall) async throws(DriverError)
}

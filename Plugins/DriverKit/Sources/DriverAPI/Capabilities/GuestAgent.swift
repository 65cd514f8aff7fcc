public import ComputeModel

/// Sets passwords through the guest's agent. Proves `operation.set-admin-password`.
public protocol SettingPasswords: Sendable {
    /// Sets the password of the guest's administrator.
    ///
    /// - Parameter user: `nil` for the operating system's usual one, or the image's `os_admin_user`.
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/notSupported(_:)`` for a guest without an agent;
    ///   ``DriverError/timedOut(_:)`` when the agent does not answer; ``DriverError/refused(_:)`` with the agent's
    ///   words when it says no.
    func setPassword(_ password: String, user: String?, of guest: GuestID, _ call: DriverCall)
        async throws(DriverError)
}

/// Sets a guest's clock by the host's, after it was suspended or moved.
public protocol SettingClocks: Sendable {
    /// Sets the clock through the guest's agent.
    ///
    /// - Throws: as ``SettingPasswords/setPassword(_:user:of:_:)``.
    func setClock(of guest: GuestID, _ call: DriverCall) async throws(DriverError)
}

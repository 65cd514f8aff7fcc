/// Turns the node itself off and on. Proves `host power` actions of `os-hosts`.
public protocol ControllingHostPower: Sendable {
    /// Restarts the node.
    func reboot() async throws(DriverError)
    /// Turns it off.
    func shutDownHost() async throws(DriverError)
    /// Turns it on.
    func startUp() async throws(DriverError)
}

/// Empties a node for work on it. Proves `operation.maintenance-mode`.
public protocol MaintainingHost: Sendable {
    /// Enters or leaves maintenance mode; succeeds when the node is so already. Entering moves the guests away where
    /// the hypervisor can, else it is refused while guests run.
    func setMaintenance(_ isWanted: Bool, _ call: DriverCall) async throws(DriverError)
    /// Whether the node is in maintenance mode.
    func isInMaintenance() async throws(DriverError) -> Bool
}

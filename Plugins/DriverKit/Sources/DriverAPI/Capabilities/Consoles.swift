public import ComputeModel

/// Keeps what guests write to their first serial port, across restarts of guest, driver and host process. Proves
/// `console.serial.log`.
public protocol ConsoleLogReading: Sendable {
    /// The last bytes of a guest's console, oldest first.
    ///
    /// - Parameter bytesMax: at most this many are returned.
    /// - Throws: ``DriverError/noSuchGuest(_:)``.
    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8]
}

/// Kinds of interactive console, by Nova's protocol names.
public enum ConsoleKind: String, Codable, CaseIterable, Sendable {
    /// A frame buffer over RFB.
    case vnc
    /// A frame buffer over SPICE.
    case spice
    /// The first serial port over TCP.
    case serial
    /// A frame buffer over VMware's WebMKS.
    case mks
}

/// Where a proxy finds a guest's console.
public struct ConsoleAddress: Hashable, Codable, Sendable {
    /// Host name or address, reachable from the proxies.
    public var host: String
    /// Port; 0 when only ``tlsPort`` serves.
    public var port: Int
    /// Port that wants TLS; `nil` for none.
    public var tlsPort: Int?
    /// Path of an HTTP request (CONNECT, or a web socket's) that leads to the console; `nil` for a plain connection.
    public var internalPath: String?
    /// Password or ticket that the proxy must present; `nil` for none. Never logged.
    public var secret: String?

    /// An address.
    public init(host: String, port: Int, tlsPort: Int? = nil, internalPath: String? = nil, secret: String? = nil) {
        (self.host, self.port, self.tlsPort) = (host, port, tlsPort)
        (self.internalPath, self.secret) = (internalPath, secret)
    }
}

/// Gives interactive access to guests. Proves `console.vnc`, `console.spice` and `console.serial.interactive`.
public protocol OfferingConsoles: Sendable {
    /// What guests of this driver have. Fixed once the driver has started.
    var kinds: Set<ConsoleKind> { get }

    /// Where the console of a running guest is. Asked anew for each session, as it changes when a guest starts.
    ///
    /// - Throws: ``DriverError/noSuchGuest(_:)``; ``DriverError/notSupported(_:)`` for a kind that this guest does not
    ///   have; ``DriverError/refused(_:)`` for a guest that does not run.
    func console(_ kind: ConsoleKind, of guest: GuestID) async throws(DriverError) -> ConsoleAddress
}

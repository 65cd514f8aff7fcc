public import ComputeModel

/// What a driver may ask of its host. A driver imports nothing else of ours.
public protocol DriverHost: Sendable {
    /// The name of the node that this driver serves, from `[DEFAULT] host`.
    var nodeName: String { get }

    /// A directory of the driver's own, absolute, existing and writable; kept across restarts.
    var stateDirectory: String { get }

    /// Writes to the host's log. The message is constant; what varies stands in the facts.
    func log(_ level: DriverLogLevel, _ message: String, _ facts: [String: String])

    /// Tells how far a long call has come; throttled by the host.
    func report(_ progress: DriverProgress)

    /// Streams an image's file to a new file at `path` without loading it into memory, and checks length and hash
    /// against what the image service promises. If it throws, there is no file at `path`.
    ///
    /// - Throws: ``DriverError/imageUnavailable(_:)``, ``DriverError/insufficientResources(_:)`` for a full disk,
    ///   ``DriverError/cancelled``.
    func fetchImage(_ image: ImageSpec, to path: String) async throws(DriverError)
}

/// How important a log line is.
public enum DriverLogLevel: String, Codable, Sendable {
    case debug
    case info
    case warning
    case error
}

/// How far a long call has come.
public struct DriverProgress: Hashable, Codable, Sendable {
    /// The guest concerned.
    public let guest: GuestID
    /// What is being done: `fetching image`.
    public let phase: String
    /// 0 to 100 of the phase; `nil` where unknown.
    public let percent: Int?

    /// A report.
    public init(guest: GuestID, phase: String, percent: Int? = nil) {
        self.guest = guest
        self.phase = phase
        self.percent = percent
    }
}

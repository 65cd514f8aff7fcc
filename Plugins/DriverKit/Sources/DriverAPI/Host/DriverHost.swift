public import ComputeModel

/// What a driver may ask of its host. A driver imports nothing else of ours.
public protocol DriverHost: Sendable {
    /// The name of the node that this driver serves: `[DEFAULT] host`, or the node's own name.
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

    /// Streams a file into an image that waits for its data. The file stays where it is.
    ///
    /// - Throws: ``DriverError/refused(_:)`` when the image service does not want it (a quota, an image that was
    ///   deleted meanwhile), ``DriverError/unreachable(_:)``, ``DriverError/cancelled``.
    func storeImage(_ image: ImageID, from path: String, format: String) async throws(DriverError)

    /// One HTTP exchange. Waits on no thread. Certificates are verified unless the request says otherwise.
    ///
    /// - Throws: ``DriverError/unreachable(_:)`` when there is no connection or it breaks,
    ///   ``DriverError/timedOut(_:)``, ``DriverError/refused(_:)`` for a certificate that is not trusted,
    ///   ``DriverError/failed(_:)`` for an answer larger than was allowed, ``DriverError/cancelled``. Any status is an
    ///   answer and no error.
    func exchange(_ request: DriverHTTPRequest) async throws(DriverError) -> DriverHTTPAnswer

    /// Lets another node's driver fetch a file of this node until it is withdrawn. The file must not change meanwhile.
    ///
    /// - Throws: ``DriverError/notSupported(_:)`` on a host that cannot lend files.
    func offerFile(_ path: String) async throws(DriverError) -> FileOffer

    /// Ends an offer; succeeds for one that has ended.
    func withdrawFile(_ offer: FileOffer) async

    /// Streams a file that another node offers to a new file at `path`. If it throws, there is no file at `path`.
    ///
    /// - Throws: ``DriverError/unreachable(_:)``, ``DriverError/insufficientResources(_:)`` for a full disk,
    ///   ``DriverError/refused(_:)`` for an offer that has ended, ``DriverError/cancelled``.
    func fetchFile(_ offer: FileOffer, to path: String) async throws(DriverError)
}

/// A file of a node that another may fetch.
public struct FileOffer: Hashable, Codable, Sendable {
    /// What the file is to the drivers: `disk`, `disk.swap`.
    public var name: String
    /// Where it is, with what permits the fetch. Never logged.
    public var url: String
    /// Its length.
    public var bytes: UInt64

    /// An offer.
    public init(name: String, url: String, bytes: UInt64) { (self.name, self.url, self.bytes) = (name, url, bytes) }
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

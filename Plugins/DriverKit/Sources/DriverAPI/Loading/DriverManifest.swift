/// What is known of a driver before any of its code runs: the file `driver.json` in the driver's folder.
public struct DriverManifest: Hashable, Codable, Sendable {
    /// The name that `compute_driver` selects, `[a-z0-9_]+`.
    public let name: String
    /// Other values of `compute_driver` that mean this driver, such as Nova's `libvirt.LibvirtDriver`.
    public let aliases: [String]
    /// The driver's own version.
    public let version: String
    /// One line for people.
    public let summary: String
    /// Versions of the driver API that it speaks, newest first. The host picks the newest that it knows too.
    public let driverAPI: [String]
    /// File name of the library, looked up beside the manifest, then beside the host's executable.
    public let library: String
    /// When present, must equal the host's ``BuildFingerprint``; written when a driver is installed apart.
    public let buildFingerprint: String?

    /// A manifest.
    public init(
        name: String, aliases: [String], version: String, summary: String, driverAPI: [String], library: String,
        buildFingerprint: String? = nil
    ) {
        self.name = name
        self.aliases = aliases
        self.version = version
        self.summary = summary
        self.driverAPI = driverAPI
        self.library = library
        self.buildFingerprint = buildFingerprint
    }

    private enum CodingKeys: String, CodingKey {
        case name
        case aliases
        case version
        case summary
        case driverAPI = "driver_api"
        case library
        case buildFingerprint = "build_fingerprint"
    }
}

/// A version of the driver API.
public struct DriverAPIVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Raised when a driver must be changed.
    public let major: Int
    /// Raised when something is added.
    public let minor: Int

    /// A version.
    public init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }

    /// Parses `1.0`.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]), major >= 0, minor >= 0 else {
            return nil
        }
        self.init(major, minor)
    }

    public var description: String { "\(major).\(minor)" }
    public static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }

    /// The versions that this host knows, newest first.
    public static let known: [DriverAPIVersion] = [DriverAPIVersion(1, 0)]

    /// The newest version that both sides know; `nil` if there is none.
    public static func negotiate(offered: [DriverAPIVersion], known: [DriverAPIVersion] = known) -> Self? {
        Set(offered).intersection(known).max()
    }
}

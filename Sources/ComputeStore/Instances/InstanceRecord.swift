package import ComputeModel

/// A server's row, as far as the API shows it. What only conductors need (wiring, handle, specification) is read
/// apart, because lists are long.
///
/// Fields named `…JSON` hold JSON text ready to be copied into an answer.
package struct InstanceRecord: Sendable {
    package var id: InstanceID
    /// Counts up with creation: orders equal times.
    package var number: Int64
    package var reservationID: String
    package var launchIndex: Int
    package var projectID: String
    package var userID: String
    package var name: String
    package var description: String?
    package var hostname: String
    package var status: InstanceStatus
    package var power: PowerState
    /// 0 to 100.
    package var progress: Int
    package var host: String?
    package var node: String?
    package var nodeID: NodeID?
    /// Where it is, or the zone asked for before it is anywhere.
    package var availabilityZone: String?
    /// The zone that it must not leave.
    package var pinnedZone: String?
    package var createdAt: Timestamp
    package var updatedAt: Timestamp?
    package var launchedAt: Timestamp?
    package var terminatedAt: Timestamp?
    package var deletedAt: Timestamp?
    package var isDeleted: Bool
    package var imageID: ImageID?
    /// Object of the image's properties at creation (2.98).
    package var imagePropertiesJSON: String
    package var rootDevice: String?
    package var keyName: String?
    /// Base64, as given.
    package var userData: String?
    package var configDrive: Bool
    package var lock: LockState
    package var accessIPv4: String?
    package var accessIPv6: String?
    package var flavorID: String
    package var flavorName: String
    package var vcpus: Int
    package var memoryMiB: Int
    package var rootGiB: Int
    package var ephemeralGiB: Int
    package var swapMiB: Int
    /// Object.
    package var extraSpecsJSON: String
    /// Object.
    package var metadataJSON: String
    /// Array, sorted.
    package var tagsJSON: String
    /// Object: addresses by network name, in the API's form.
    package var addressesJSON: String
    /// Array of `{"name": …}`; empty array when none.
    package var securityGroupsJSON: String
    /// Array or nothing.
    package var trustedCertificatesJSON: String?
    /// Object (2.100).
    package var hintsJSON: String
    /// Why it is in ERROR, or the last failed operation's reason.
    package var fault: FaultRecord?
    /// Whether the root file system is grown to the disk (`OS-DCF:diskConfig` AUTO).
    package var autoDiskConfig: Bool
}

/// Whether a server is locked, and by whom.
package enum LockState: Sendable, Equatable {
    case unlocked
    /// `byOwner` is false when an administrator of another project locked it.
    case locked(byOwner: Bool, reason: String?)

    package var isLocked: Bool {
        switch self {
        case .unlocked: false
        case .locked: true
        }
    }
}

/// Why something failed, for the user.
package struct FaultRecord: Codable, Sendable, Equatable {
    /// HTTP-like: 500, 409, …
    package var code: Int
    /// One sentence.
    package var message: String
    package var created: Timestamp
    /// For administrators.
    package var details: String?

    package init(code: Int, message: String, created: Timestamp, details: String? = nil) {
        self.code = code
        self.message = message
        self.created = created
        self.details = details
    }
}

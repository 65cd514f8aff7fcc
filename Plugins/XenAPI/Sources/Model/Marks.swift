import ComputeModel

/// What this driver writes into the `other_config` of its objects, so that it finds them again and never takes a
/// foreign one for its own.
enum Mark {
    /// The guest that a machine, disk or interface belongs to.
    static let guest = "kilonova:guest"
    /// The node that a machine belongs to while it is off; on a host of a pool: the node that it is.
    static let node = "kilonova:node"
    /// The number of the last operation on a guest.
    static let operation = "kilonova:operation"
    /// The number of the operation that made a guest; set when the guest is complete.
    static let madeBy = "kilonova:made-by"
    /// What a disk is to its guest: see ``DiskRole``.
    static let role = "kilonova:role"
    /// The image that a disk is, or was cloned from.
    static let image = "kilonova:image"
    /// Set on a cached image that is complete.
    static let ready = "kilonova:ready"
    /// When a cached image was last needed, in seconds since 1970.
    static let lastUsed = "kilonova:last-used"
    /// The port of an interface.
    static let port = "kilonova:port"
    /// The volume that a disk of a machine, or a repository, is.
    static let volume = "kilonova:volume"
    /// The tag that the user gave a device.
    static let tag = "kilonova:tag"
    /// Set on a machine in rescue: the disk to boot from afterwards, as JSON.
    static let rescue = "kilonova:rescue"
    /// The operation that rescued the machine; set when the rescue is complete.
    static let rescuedBy = "kilonova:rescued-by"
    /// The operation that wanted to move a machine live and left it where it was.
    static let stayed = "kilonova:stayed"
    /// Set instead of ``guest`` on a machine that has departed and waits to be confirmed or taken back.
    static let departed = "kilonova:departed"
}

/// What a disk is to its guest.
enum DiskRole: String, Codable, CodingKeyRepresentable, CaseIterable, Sendable {
    case root
    case ephemeral
    case swap
    case config
    case rescue
    case rescueConfig = "rescue-config"
    case snapshot

    /// The name of the disk, by which it is found when nothing else is known.
    func name(of guest: GuestID) -> String { "kilonova \(guest) \(rawValue)" }
}

extension GuestID {
    /// The machine's name at the hypervisor, by which it is found.
    var machineName: String { "instance-\(description)" }
    /// The name of a machine that has departed.
    var departedName: String { "instance-\(description)-departed" }
}

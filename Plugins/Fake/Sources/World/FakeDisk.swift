import ComputeModel

/// A disk's name: whose and what for.
struct DiskName: Codable, Hashable, Sendable, CustomStringConvertible {
    enum Role: String, Codable, Sendable {
        case root
        case rescue
    }
    var guest: GuestID
    var role: Role

    var description: String { "\(guest)/\(role.rawValue)" }
}

/// A disk that is not there: a few bytes that tell whose content it is.
struct FakeDisk: Codable, Hashable, Sendable {
    var name: DiskName
    /// Drawn when the disk is made; it goes where the content goes: into snapshots and along moves.
    var marker: String
    /// 0 for as large as the image.
    var sizeGiB: Int
    var image: ImageID?
    /// The node that uses it, where several see it.
    var node: String?

    /// A disk with new content.
    static func new(_ name: DiskName, sizeGiB: Int, image: ImageID?) -> FakeDisk {
        FakeDisk(name: name, marker: UUIDValue.random().compact, sizeGiB: sizeGiB, image: image)
    }
}

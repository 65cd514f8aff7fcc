package import ComputeModel

/// What is known of an image.
package struct ImageRecord: Sendable, Hashable {
    package var id: ImageID
    package var name: String?
    package var status: ImageStatus
    package var visibility: ImageVisibility
    /// The project it belongs to.
    package var owner: String?
    package var diskFormat: String?
    package var containerFormat: String?
    /// Bytes; nil before the data are there.
    package var size: Int64?
    package var virtualSize: Int64?
    /// MD5 of the data, hexadecimal.
    package var checksum: String?
    /// SHA-512 of the data, hexadecimal.
    package var strongHash: String?
    /// GiB.
    package var minDisk: Int
    /// MiB.
    package var minRAM: Int
    package var isProtected: Bool
    package var isHidden: Bool
    /// Properties that are no attribute of their own.
    package var properties: [String: String]
    package var tags: Set<String>
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    /// Name of the file with the data, also while they are coming in.
    var file: String?
}

/// Where an image is in its life.
package enum ImageStatus: String, Sendable, Hashable {
    /// Known, without data.
    case queued
    /// The data are coming in.
    case saving
    /// The data are there.
    case active
    /// The data are there, but nobody but an administrator may have them.
    case deactivated
}

/// Who sees an image.
package enum ImageVisibility: String, Sendable, Hashable, CaseIterable {
    case `public`
    case `private`
    /// The owner and members; nobody can be made a member here yet.
    case shared
    /// Everybody who knows it; not in others' lists.
    case community
}

/// What the stand-in refuses: a status and a sentence.
struct ImageFault: Error, Sendable, Hashable {
    let status: Int
    let message: String

    private init(_ status: Int, _ message: String) { (self.status, self.message) = (status, message) }

    static func badRequest(_ message: String) -> Self { Self(400, message) }
    static let unauthorized = Self(401, "This server could not verify that you are authorized to access the document.")
    static func forbidden(_ message: String) -> Self { Self(403, message) }
    static func notAllowed(_ action: String) -> Self {
        Self(403, "You are not authorized to complete \(action) action.")
    }
    static func notFound(_ message: String) -> Self { Self(404, message) }
    static func noImage(_ id: String) -> Self { Self(404, "No image found with ID \(id)") }
    static func conflict(_ message: String) -> Self { Self(409, message) }
    static func gone(_ message: String) -> Self { Self(410, message) }
    static func tooLarge(_ message: String) -> Self { Self(413, message) }
    static func wrongMediaType(_ message: String) -> Self { Self(415, message) }
    static func unavailable(_ message: String) -> Self { Self(503, message) }
    static func storageFull(_ message: String) -> Self { Self(507, message) }
}

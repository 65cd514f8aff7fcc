import ComputeModel
import Database
import Identity

/// Who asks, and what follows from it. The rules are Glance's defaults.
struct ImageCaller: Sendable {
    let project: String?
    let isAdmin: Bool
    /// Whether the caller may change anything; readers may not.
    let mayWrite: Bool

    init(_ token: TokenFacts) {
        let roles = Set(token.roles.map { $0.lowercased() })
        project = token.projectID
        isAdmin = roles.contains("admin")
        mayWrite = isAdmin || (project != nil && !roles.isDisjoint(with: ["member", "manager", "service"]))
    }

    func owns(_ image: ImageRecord) -> Bool { project != nil && image.owner == project }

    func sees(_ image: ImageRecord) -> Bool {
        isAdmin || owns(image) || image.visibility == .public || image.visibility == .community
    }

    /// True of the images that a list of that visibility may show.
    func listed(_ visibility: ImageVisibility?, all: Bool) -> SQL {
        let own: SQL = project.map { "owner = \($0)" } ?? "1 = 0"
        if let visibility {
            let wanted: SQL = "visibility = \(visibility.rawValue)"
            return isAdmin || visibility == .public || visibility == .community ? wanted : "\(wanted) AND \(own)"
        }
        if all { return isAdmin ? "1 = 1" : "(visibility IN ('public', 'community') OR \(own))" }
        // Others' community images are found by those who ask for them.
        return isAdmin ? "(visibility <> 'community' OR \(own))" : "(visibility = 'public' OR \(own))"
    }

    /// - Throws: ``ImageFault`` 403 unless the caller may do `action` with an image of the own project.
    func requireWriting(_ action: String) throws {
        guard mayWrite else { throw ImageFault.notAllowed(action) }
    }

    /// - Throws: ``ImageFault`` 404 for images that the caller cannot see, 403 for those of others.
    func requireOwning(_ image: ImageRecord, _ action: String) throws {
        guard sees(image) else { throw ImageFault.noImage(image.id.description) }
        guard mayWrite, isAdmin || owns(image) else { throw ImageFault.notAllowed(action) }
    }

    /// - Throws: ``ImageFault`` 403 unless the caller may give images that visibility.
    func requireGiving(_ visibility: ImageVisibility) throws {
        guard visibility != .public || isAdmin else { throw ImageFault.notAllowed("publicize_image") }
    }
}

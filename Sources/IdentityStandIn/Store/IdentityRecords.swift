import ComputeModel

/// A user of the stand-in.
package struct UserRecord: Sendable, Hashable {
    package var id: String
    package var name: String
    package var domainID: String
    package var isEnabled: Bool
    package var description: String?
    package var email: String?
    package var defaultProjectID: String?
    var passwordHash: String
    /// Tokens issued before are void.
    var tokensValidAfter: Timestamp
}

/// A project of the stand-in.
package struct ProjectRecord: Sendable, Hashable {
    package var id: String
    package var name: String
    package var domainID: String
    package var description: String
    package var isEnabled: Bool
    package var parentID: String?
}

/// A role.
package struct RoleRecord: Sendable, Hashable {
    package var id: String
    package var name: String
}

/// A domain.
package struct DomainRecord: Sendable, Hashable {
    package var id: String
    package var name: String
    package var isEnabled: Bool
}

/// To what a role is given.
package enum RoleTarget: Sendable, Hashable {
    case project(String)
    case domain(String)
    case system

    var kind: String {
        switch self {
        case .project: "project"
        case .domain: "domain"
        case .system: "system"
        }
    }
    var id: String {
        switch self {
        case .project(let id), .domain(let id): id
        case .system: "all"
        }
    }
}

/// Who has which role where.
package struct AssignmentRecord: Sendable, Hashable {
    package var userID: String
    package var target: RoleTarget
    package var roleID: String
}

/// What the stand-in refuses, by the status of its answer.
package enum IdentityFault: Error, Sendable, Hashable {
    case badRequest(String)
    case unauthorized(String)
    case forbidden(String)
    case notFound(String)
    case conflict(String)

    var status: Int {
        switch self {
        case .badRequest: 400
        case .unauthorized: 401
        case .forbidden: 403
        case .notFound: 404
        case .conflict: 409
        }
    }
    var message: String {
        switch self {
        case .badRequest(let text), .unauthorized(let text), .forbidden(let text), .notFound(let text),
            .conflict(let text):
            text
        }
    }
}

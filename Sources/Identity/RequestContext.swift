package import ComputeModel
package import WireJSON

/// What a token says, once somebody trustworthy has checked it.
package struct TokenFacts: Sendable, Hashable {
    package var userID: String
    package var userName: String
    package var userDomainID: String
    package var userDomainName: String
    /// The project of a project-scoped token, with its names.
    package var projectID: String?
    package var projectName: String?
    package var projectDomainID: String?
    package var projectDomainName: String?
    /// The domain of a domain-scoped token.
    package var domainID: String?
    package var domainName: String?
    /// `all` for a system-scoped token.
    package var systemScope: String?
    /// Role names, implied ones included: the identity service lists them.
    package var roles: [String]
    package var isAdminProject: Bool
    /// When the token ends; it is refused from then on.
    package var expiresAt: Timestamp

    package init(
        userID: String, userName: String, userDomainID: String = "default", userDomainName: String = "Default",
        projectID: String? = nil, projectName: String? = nil, projectDomainID: String? = nil,
        projectDomainName: String? = nil, domainID: String? = nil, domainName: String? = nil,
        systemScope: String? = nil, roles: [String], isAdminProject: Bool = true, expiresAt: Timestamp
    ) {
        (self.userID, self.userName) = (userID, userName)
        (self.userDomainID, self.userDomainName) = (userDomainID, userDomainName)
        (self.projectID, self.projectName) = (projectID, projectName)
        (self.projectDomainID, self.projectDomainName) = (projectDomainID, projectDomainName)
        (self.domainID, self.domainName, self.systemScope) = (domainID, domainName, systemScope)
        (self.roles, self.isAdminProject, self.expiresAt) = (roles, isAdminProject, expiresAt)
    }
}

/// Who asks, in which project, with which roles; carried from the edge to wherever a decision or a record needs it.
package struct RequestContext: Sendable, Hashable {
    /// The caller, as the token says.
    package let token: TokenFacts
    /// The token itself, to act for the caller at a peer; nil where the process acts on its own.
    package var authToken: String?
    /// The service that made the request for the caller, as its service token says.
    package var service: TokenFacts?
    /// `req-` and a UUID: this request.
    package var requestID: String
    /// The id that the first service in a chain gave.
    package var globalRequestID: String?
    /// True when the policy says that this caller is an administrator of the cloud.
    package var isAdmin: Bool

    /// The roles in lower case, as policy compares them.
    let loweredRoles: [String]

    package init(
        token: TokenFacts, authToken: String? = nil, service: TokenFacts? = nil, requestID: String,
        globalRequestID: String? = nil, isAdmin: Bool = false
    ) {
        (self.token, self.authToken, self.service) = (token, authToken, service)
        (self.requestID, self.globalRequestID, self.isAdmin) = (requestID, globalRequestID, isAdmin)
        loweredRoles = token.roles.map { $0.lowercased() }
    }

    package var userID: String { token.userID }
    /// The project of the request; nil for tokens of another scope.
    package var projectID: String? { token.projectID }
    package var roles: [String] { token.roles }
    package var serviceRoles: [String] { service?.roles ?? [] }

    /// The same caller with an administrator's rights, for what the service does on its own account.
    package var elevated: RequestContext {
        var copy = self
        copy.isAdmin = true
        return copy
    }
}

/// Never shown whole: a context holds tokens.
extension RequestContext: CustomStringConvertible, CustomReflectable {
    package var description: String {
        "\(requestID) user \(userID) project \(projectID ?? "-") roles \(roles.joined(separator: ","))"
    }

    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension RequestContext: PolicyCredentials {
    /// The caller's attributes under the names that policy files use.
    package func attribute(_ name: String) -> JSONValue? {
        switch name {
        case "user_id": .string(token.userID)
        case "user_domain_id": .string(token.userDomainID)
        case "project_id": JSONValue(token.projectID)
        case "project_domain_id": JSONValue(token.projectDomainID)
        case "domain_id": JSONValue(token.domainID)
        case "system_scope": JSONValue(token.systemScope)
        case "system": token.systemScope.map(JSONValue.string)
        case "roles": JSONValue(token.roles)
        case "is_admin": .bool(isAdmin)
        case "is_admin_project": .bool(token.isAdminProject)
        case "service_user_id": JSONValue(service?.userID)
        case "service_user_domain_id": JSONValue(service?.userDomainID)
        case "service_project_id": JSONValue(service?.projectID)
        case "service_project_domain_id": JSONValue(service?.projectDomainID)
        case "service_roles": JSONValue(serviceRoles)
        default: nil
        }
    }

    package func hasRole(_ lowered: String) -> Bool { loweredRoles.contains(lowered) }

    package var scope: PolicyScope {
        if token.systemScope != nil { return .system }
        return token.domainID != nil ? .domain : .project
    }
}

import ComputeModel

/// An account that must exist from the start.
package struct BootstrapAccount: Sendable {
    package var name: String
    package var password: String
    package var project: String
    /// On the project.
    package var roles: [String]
    /// Whether it is an administrator of the whole system too.
    package var systemAdmin: Bool

    package init(name: String, password: String, project: String, roles: [String], systemAdmin: Bool = false) {
        self.name = name
        self.password = password
        self.project = project
        self.roles = roles
        self.systemAdmin = systemAdmin
    }
}

extension IdentityStore {
    /// Makes sure that the default domain, the roles with their implications and the given accounts exist. A password
    /// that was changed since is set back only where `resetPasswords` says so. Repeating it changes nothing.
    package func bootstrap(_ accounts: [BootstrapAccount], resetPasswords: Bool = true) async throws {
        if try await domains().isEmpty {
            try await put(DomainRecord(id: "default", name: "Default", isEnabled: true))
        }
        let roles = try await bootstrapRoles()
        for account in accounts {
            let project = try await bootstrapProject(account.project)
            let user = try await bootstrapUser(account, project: project, resetPasswords: resetPasswords)
            for role in account.roles {
                guard let id = roles[role] else { continue }
                try await assign(AssignmentRecord(userID: user, target: .project(project), roleID: id))
            }
            if account.systemAdmin, let id = roles["admin"] {
                try await assign(AssignmentRecord(userID: user, target: .system, roleID: id))
            }
        }
    }

    private func bootstrapRoles() async throws -> [String: String] {
        var byName = Dictionary(try await roles().map { ($0.name, $0.id) }) { first, _ in first }
        for name in ["admin", "manager", "member", "reader", "service"] where byName[name] == nil {
            let role = RoleRecord(id: UUIDValue.random().compact, name: name)
            try await create(role)
            byName[name] = role.id
        }
        for (prior, implied) in [("admin", "manager"), ("manager", "member"), ("member", "reader")] {
            if let prior = byName[prior], let implied = byName[implied] { try await imply(prior, implied) }
        }
        return byName
    }

    private func bootstrapProject(_ name: String) async throws -> String {
        if let known = try await projects(name: name, domain: "default").first { return known.id }
        let project = ProjectRecord(
            id: UUIDValue.random().compact, name: name, domainID: "default", description: "", isEnabled: true,
            parentID: nil)
        try await create(project)
        return project.id
    }

    private func bootstrapUser(_ account: BootstrapAccount, project: String, resetPasswords: Bool) async throws
        -> String
    {
        if var known = try await users(name: account.name, domain: "default").first {
            if resetPasswords, !Passwords.verify(account.password, known.passwordHash) {
                known.passwordHash = try passwords.hash(account.password)
                try await update(known)
            }
            return known.id
        }
        let user = UserRecord(
            id: UUIDValue.random().compact, name: account.name, domainID: "default", isEnabled: true,
            description: nil, email: nil, defaultProjectID: project,
            passwordHash: try passwords.hash(account.password), tokensValidAfter: Timestamp(microseconds: 0))
        try await create(user)
        return user.id
    }
}

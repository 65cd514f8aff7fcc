/// The headers that carry a caller's identity behind a checking proxy. Nobody stands before us to have checked them,
/// so the edge removes them from every request before anything reads a header: who a caller is comes from the token
/// alone.
package enum IdentityHeaders {
    /// The caller's token.
    package static let token = "X-Auth-Token"
    /// The token of a service that acts for the caller.
    package static let serviceToken = "X-Service-Token"

    /// True for names that must be removed. Case does not count, and `_` counts as `-`: some servers treat both alike,
    /// which has let forged headers through.
    package static func isForgeable(_ name: some StringProtocol) -> Bool {
        let plain = name.lowercased().replacing("_", with: "-")
        guard plain.hasPrefix("x-") else { return false }
        if plain == "x-auth-token" || plain == "x-service-token" { return plain != name.lowercased() }
        return exact.contains(plain) || prefixes.contains { plain.hasPrefix($0) }
    }

    private static let exact: Set<String> = [
        "x-identity-status", "x-service-identity-status", "x-service-catalog", "x-roles", "x-role", "x-user",
        "x-tenant", "x-project", "x-is-admin-project", "x-openstack-system-scope", "x-token-info",
    ]
    private static let prefixes = [
        "x-domain-", "x-user-", "x-project-", "x-tenant-", "x-service-user", "x-service-project", "x-service-roles",
        "x-service-domain", "x-service-tenant",
    ]
}

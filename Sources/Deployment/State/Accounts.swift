import FoundationEssentials

/// The passwords that a deployment makes for itself at its first start, kept in its state directory.
package struct Accounts: Codable, Sendable {
    package var adminPassword: String
    package var servicePassword: String
    package var demoPassword: String
    /// The key under which metadata proxies sign.
    package var metadataSecret: String

    private static let file = "run/accounts.json"

    /// Reads them, or makes and stores them.
    package static func load(_ state: StateDirectory, adminPassword: String?) throws(DeploymentError) -> Accounts {
        if let text = state.read(file) {
            guard var accounts = try? JSONDecoder().decode(Accounts.self, from: Data(text.utf8)) else {
                throw DeploymentError(
                    .unavailable,
                    "\(state.below(file)) is damaged; restore it, or remove it to have new passwords made")
            }
            if let adminPassword { accounts.adminPassword = adminPassword }
            return accounts
        }
        let accounts = Accounts(
            adminPassword: adminPassword ?? secret(), servicePassword: secret(), demoPassword: secret(),
            metadataSecret: secret())
        guard let data = try? JSONEncoder().encode(accounts) else {
            throw DeploymentError(.unavailable, "new passwords cannot be encoded")
        }
        try state.write(file, String(decoding: data, as: UTF8.self))
        return accounts
    }

    /// 24 letters and digits from the system's generator: 142 bits.
    private static func secret() -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        var generator = SystemRandomNumberGenerator()
        return String((0..<24).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] })
    }
}

/// Files with which clients find the deployment.
package enum ClientFiles {
    /// Writes `openrc`, `openrc-demo` and `clouds.yaml`, readable by this user only.
    package static func write(
        _ state: StateDirectory, identityURL: String, accounts: Accounts, adminUser: String, adminProject: String,
        region: String
    ) throws(DeploymentError) {
        let admin = openrc(identityURL, adminUser, accounts.adminPassword, adminProject, region)
        let demo = openrc(identityURL, "demo", accounts.demoPassword, "demo", region)
        try state.write("openrc", admin)
        try state.write("openrc-demo", demo)
        let clouds = """
            clouds:
            \(cloud("kilonova", identityURL, adminUser, accounts.adminPassword, adminProject, region))
            \(cloud("kilonova-demo", identityURL, "demo", accounts.demoPassword, "demo", region))

            """
        try state.write("clouds.yaml", clouds)
    }

    private static func openrc(
        _ url: String, _ user: String, _ password: String, _ project: String, _ region: String
    ) -> String {
        """
        export OS_AUTH_URL=\(url)
        export OS_USERNAME=\(user)
        export OS_PASSWORD=\(password)
        export OS_PROJECT_NAME=\(project)
        export OS_USER_DOMAIN_NAME=Default
        export OS_PROJECT_DOMAIN_NAME=Default
        export OS_REGION_NAME=\(region)
        export OS_IDENTITY_API_VERSION=3
        unset OS_TOKEN OS_CLOUD OS_SYSTEM_SCOPE

        """
    }

    private static func cloud(
        _ name: String, _ url: String, _ user: String, _ password: String, _ project: String, _ region: String
    ) -> String {
        """
          \(name):
            region_name: \(region)
            identity_api_version: 3
            auth:
              auth_url: \(url)
              username: \(user)
              password: \(password)
              project_name: \(project)
              user_domain_name: Default
              project_domain_name: Default
        """
    }
}

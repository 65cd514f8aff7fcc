import ComputeModel
package import Identity
import NIOHTTP1
import WireJSON

/// Asks the identity service whose token a token is.
package struct IdentityClient: TokenValidating {
    private let peer: AuthorizedPeer

    /// - Parameter peer: at the version: `http://host/identity/v3`.
    package init(_ peer: AuthorizedPeer) { self.peer = peer }

    package func validate(_ token: String) async throws(TokenRefusal) -> TokenFacts {
        guard token.utf8.count <= 8192, token.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else { throw .invalid }
        var attempt = 0
        while true {
            attempt += 1
            do {
                var headers = try await peer.headers()
                headers.replaceOrAdd(name: "X-Subject-Token", value: token)
                let answer = try await peer.http.exchange(.GET, "/auth/tokens?nocatalog=1", headers: headers)
                switch answer.status {
                case 200: return try Self.facts(answer.bytes)
                case 404: throw TokenRefusal.invalid
                case 401 where attempt == 1:
                    if let used = headers.first(name: "X-Auth-Token") { await peer.forget(used) }
                    continue
                default: throw TokenRefusal.unavailable("\(peer.http.error(answer))")
                }
            } catch let refusal as TokenRefusal {
                throw refusal
            } catch {
                throw .unavailable("\(error)")
            }
        }
    }

    /// Whether a project exists; used before quotas are set for it.
    package func projectExists(_ project: String) async throws(PeerError) -> Bool {
        do {
            _ = try await peer.json(.GET, "/projects/\(PeerHTTP.escaped(project))")
            return true
        } catch .notFound {
            return false
        }
    }

    private static func facts(_ bytes: [UInt8]) throws(TokenRefusal) -> TokenFacts {
        guard let token = (try? JSONParser.parse(bytes))?["token"], let user = token["user"],
            let userID = user["id"]?.string, let userName = user["name"]?.string,
            let expiry = token["expires_at"]?.string.flatMap({ Timestamp(iso8601: $0) })
        else { throw .unavailable("the identity service's answer cannot be read") }
        let project = token["project"]
        let domain = token["domain"]
        return TokenFacts(
            userID: userID, userName: userName, userDomainID: user["domain"]?["id"]?.string ?? "default",
            userDomainName: user["domain"]?["name"]?.string ?? "Default", projectID: project?["id"]?.string,
            projectName: project?["name"]?.string, projectDomainID: project?["domain"]?["id"]?.string,
            projectDomainName: project?["domain"]?["name"]?.string, domainID: domain?["id"]?.string,
            domainName: domain?["name"]?.string,
            systemScope: token["system"]?["all"]?.bool == true ? "all" : nil,
            roles: (token["roles"]?.array ?? []).compactMap { $0["name"]?.string },
            isAdminProject: token["is_admin_project"]?.bool ?? true, expiresAt: expiry)
    }
}

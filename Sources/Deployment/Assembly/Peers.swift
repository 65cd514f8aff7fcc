import AsyncHTTPClient
import ComputeModel
import Identity
import PeerClients
import ServiceOptions

/// The clients of the identity, image and network services, all over HTTP: the stand-ins of this process, or others.
struct Peers: Sendable {
    let identity: IdentityClient
    let images: ImageClient
    let networks: NetworkClient
    /// Knows callers by their tokens; the stand-in tells it what became void.
    let tokens: CachingTokenValidator

    /// - Parameter door: the address of this process's own listener.
    init(_ options: KilonovaOptions, door: String, accounts: Accounts, client: HTTPClient) {
        let account = Self.account(options.tokens.credentials, accounts)
        let identityURL = options.tokens.credentials.authURL ?? "\(door)/identity/v3"
        let identityHTTP = PeerHTTP(
            service: "identity", baseURL: identityURL, client: client, timeout: options.tokens.timeout)
        let session = ServiceSession(identity: identityHTTP, account: account, now: Timestamp.now)
        func peer(_ service: String, _ endpoint: PeerEndpointOptions, _ path: String) -> AuthorizedPeer {
            let url = endpoint.endpointOverride ?? door + path
            let http = PeerHTTP(service: service, baseURL: url, client: client, timeout: endpoint.timeout)
            return AuthorizedPeer(http: http, session: session)
        }
        identity = IdentityClient(AuthorizedPeer(http: identityHTTP, session: session))
        images = ImageClient(peer("image", options.image.endpoint, "/image"))
        networks = NetworkClient(peer("network", options.network.endpoint, "/network"))
        tokens = CachingTokenValidator(identity, options: options.tokens)
    }

    private static func account(_ credentials: PeerCredentialOptions, _ accounts: Accounts) -> ServiceAccount {
        ServiceAccount(
            username: credentials.username ?? "nova",
            password: credentials.password?.revealed ?? accounts.servicePassword,
            projectName: credentials.projectName, userDomainName: credentials.userDomainName,
            projectDomainName: credentials.projectDomainName)
    }
}

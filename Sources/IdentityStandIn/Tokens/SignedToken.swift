import ComputeModel
import Crypto
import FoundationEssentials

/// What a token carries. Everything else is looked up when it is checked, so that changes take effect at once.
struct TokenClaims: Codable, Sendable, Hashable {
    enum Scope: Codable, Sendable, Hashable {
        case unscoped
        case project(String)
        case domain(String)
        case system
    }
    var userID: String
    var scope: Scope
    var methods: [String]
    var issuedAt: Timestamp
    var expiresAt: Timestamp
    var auditIDs: [String]
}

/// Tokens as they travel: claims and their signature, both base64url, with a dot between.
struct TokenSigner: Sendable {
    private let key: SymmetricKey

    init(key: [UInt8]) { self.key = SymmetricKey(data: key) }

    func issue(_ claims: TokenClaims) throws -> String {
        let payload = try JSONEncoder().encode(claims)
        let signature = HMAC<SHA256>.authenticationCode(for: payload, using: key)
        return "\(Self.text(payload)).\(Self.text(Data(signature)))"
    }

    /// The claims of a token that we signed; `nil` for any other text. Says nothing of its time.
    func read(_ token: String) -> TokenClaims? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let payload = Self.data(parts[0]), let signature = Self.data(parts[1]),
            HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: payload, using: key)
        else { return nil }
        return try? JSONDecoder().decode(TokenClaims.self, from: payload)
    }

    private static func text(_ data: Data) -> String {
        data.base64EncodedString().map { character in
            switch character {
            case "+": "-"
            case "/": "_"
            default: String(character)
            }
        }.joined().replacing("=", with: "")
    }

    private static func data(_ text: Substring) -> Data? {
        var standard = String(text).replacing("-", with: "+").replacing("_", with: "/")
        while standard.utf8.count % 4 != 0 { standard += "=" }
        return Data(base64Encoded: standard)
    }
}

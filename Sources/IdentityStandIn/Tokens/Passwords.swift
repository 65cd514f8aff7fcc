import Crypto
import CryptoExtras
import FoundationEssentials

/// Passwords as they are kept: `scrypt$N$r$p$salt$hash`, base64.
struct Passwords: Sendable {
    /// scrypt's N for new hashes.
    private let rounds: Int
    private static let blockSize = 8
    private static let parallelism = 1

    /// - Parameter cost: the logarithm of N to base 2; with 14 a hash takes some 40 ms of processor time, on purpose.
    init(cost: Int) { rounds = 1 << cost }

    /// A slow hash of a password with a fresh salt.
    func hash(_ password: String) throws -> String {
        var generator = SystemRandomNumberGenerator()
        let salt = Data((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
        let key = try Self.derive(password, salt: salt, rounds: rounds)
        let (salted, hashed) = (salt.base64EncodedString(), key.base64EncodedString())
        return "scrypt$\(rounds)$\(Self.blockSize)$\(Self.parallelism)$\(salted)$\(hashed)"
    }

    /// Whether a password is the one of a stored hash. Takes as long for a wrong one.
    static func verify(_ password: String, _ stored: String) -> Bool {
        let parts = stored.split(separator: "$")
        guard parts.count == 6, parts[0] == "scrypt", let rounds = Int(parts[1]), rounds <= 1 << 20,
            let salt = Data(base64Encoded: String(parts[4])), let expected = Data(base64Encoded: String(parts[5])),
            let key = try? derive(password, salt: salt, rounds: rounds)
        else { return false }
        return isEqual(Array(key), Array(expected))
    }

    /// Spends the time of a check for a user who does not exist, so that names cannot be guessed by the clock.
    func spendTime(_ password: String) {
        _ = try? Self.derive(password, salt: Data(repeating: 0, count: 16), rounds: rounds)
    }

    private static func derive(_ password: String, salt: Data, rounds: Int) throws -> Data {
        let key = try KDF.Scrypt.deriveKey(
            from: Data(password.utf8), salt: salt, outputByteCount: 32, rounds: rounds, blockSize: blockSize,
            parallelism: parallelism)
        return key.withUnsafeBytes { Data($0) }
    }

    /// Comparison whose time does not depend on where the difference is.
    static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

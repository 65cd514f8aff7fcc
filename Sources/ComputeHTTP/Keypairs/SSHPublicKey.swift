import Crypto
import FoundationEssentials

/// A public key in one line, as OpenSSH writes it: the kind, the key in base64, and a comment.
///
/// Whether the key is sound is checked as far as its numbers go: points must lie on their curves.
struct SSHPublicKey {
    /// The key's bytes (RFC 4253, 6.6).
    let blob: [UInt8]

    /// Nil when the line is no key of a kind that is known.
    init?(_ line: String) {
        let words = line.split(maxSplits: 2) { $0 == " " || $0 == "\t" }
        guard line.first?.isWhitespace == false, words.count >= 2, let data = Data(base64Encoded: String(words[1]))
        else { return nil }
        blob = Array(data)
        var reader = SSHWireReader(blob)
        guard reader.text() == String(words[0]), Self.isKey(words[0], &reader), reader.isAtEnd else { return nil }
    }

    /// The MD5 of the key's bytes in pairs of digits, as such keys have always been shown.
    var fingerprint: String { ColonDigits.text(Insecure.MD5.hash(data: blob)) }

    private static func isKey(_ kind: Substring, _ reader: inout SSHWireReader) -> Bool {
        switch kind {
        case "ssh-rsa":
            guard let exponent = reader.number(), let modulus = reader.number() else { return false }
            // Exponents are odd and at least 3; a shorter modulus could not hold any use of the key.
            return (exponent.last ?? 0) & 1 == 1 && exponent != [1] && modulus.count >= 64
        case "ssh-dss":
            return (0..<4).allSatisfy { _ in reader.number()?.isEmpty == false }
        case "ssh-ed25519": return isEd25519(&reader)
        case "sk-ssh-ed25519@openssh.com": return isEd25519(&reader) && reader.text() != nil
        case "ecdsa-sha2-nistp256": return isPoint(&reader, "nistp256")
        case "ecdsa-sha2-nistp384": return isPoint(&reader, "nistp384")
        case "ecdsa-sha2-nistp521": return isPoint(&reader, "nistp521")
        case "sk-ecdsa-sha2-nistp256@openssh.com": return isPoint(&reader, "nistp256") && reader.text() != nil
        default: return false
        }
    }

    private static func isEd25519(_ reader: inout SSHWireReader) -> Bool {
        guard let key = reader.bytes(), key.count == 32 else { return false }
        return (try? Curve25519.Signing.PublicKey(rawRepresentation: key)) != nil
    }

    private static func isPoint(_ reader: inout SSHWireReader, _ curve: String) -> Bool {
        guard reader.text() == curve, let point = reader.bytes() else { return false }
        return switch curve {
        case "nistp256": (try? P256.Signing.PublicKey(x963Representation: point)) != nil
        case "nistp384": (try? P384.Signing.PublicKey(x963Representation: point)) != nil
        default: (try? P521.Signing.PublicKey(x963Representation: point)) != nil
        }
    }
}

/// Reads what SSH's wire format (RFC 4251, 5) holds.
struct SSHWireReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    /// A string of bytes.
    mutating func bytes() -> [UInt8]? {
        guard rest.count >= 4 else { return nil }
        let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard rest.count - 4 >= length else { return nil }
        let bytes = Array(rest.dropFirst(4).prefix(length))
        rest = rest.dropFirst(4 + length)
        return bytes
    }

    /// A string of characters.
    mutating func text() -> String? { bytes().flatMap { String(validating: $0, as: UTF8.self) } }

    /// A whole number that is not negative, without leading zeros.
    mutating func number() -> [UInt8]? {
        guard let bytes = bytes() else { return nil }
        if let first = bytes.first, first & 0x80 != 0 { return nil }
        return Array(bytes.drop { $0 == 0 })
    }
}

/// Bytes as pairs of hexadecimal digits with colons between.
enum ColonDigits {
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined(separator: ":")
    }
}

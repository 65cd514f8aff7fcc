import Crypto
import FoundationEssentials

/// A fresh Ed25519 key pair in OpenSSH's forms.
struct GeneratedKey {
    /// One line.
    let publicKey: String
    /// A PEM block without a passphrase (`openssh-key-v1`).
    let privateKey: String

    init(comment: String) {
        let key = Curve25519.Signing.PrivateKey()
        let point = Array(key.publicKey.rawRepresentation)
        var blob = SSHWireWriter()
        blob.text("ssh-ed25519")
        blob.bytes(point)
        publicKey = "ssh-ed25519 \(Data(blob.written).base64EncodedString()) \(comment)"

        // The same number twice tells who decrypts that the passphrase was right; here there is none.
        let check = UInt32.random(in: 0...UInt32.max)
        var secret = SSHWireWriter()
        secret.number(check)
        secret.number(check)
        secret.text("ssh-ed25519")
        secret.bytes(point)
        secret.bytes(Array(key.rawRepresentation) + point)
        secret.text(comment)
        secret.pad(to: 8)

        var file = SSHWireWriter(Array("openssh-key-v1".utf8) + [0])
        file.text("none")
        file.text("none")
        file.text("")
        file.number(1)
        file.bytes(blob.written)
        file.bytes(secret.written)
        privateKey = Self.pem(Data(file.written).base64EncodedString())
    }

    private static func pem(_ base64: String) -> String {
        var lines = ["-----BEGIN OPENSSH PRIVATE KEY-----"]
        var rest = base64[...]
        while !rest.isEmpty {
            lines.append(String(rest.prefix(70)))
            rest = rest.dropFirst(70)
        }
        lines.append("-----END OPENSSH PRIVATE KEY-----")
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Writes SSH's wire format (RFC 4251, 5).
struct SSHWireWriter {
    private(set) var written: [UInt8]

    init(_ written: [UInt8] = []) { self.written = written }

    mutating func number(_ value: UInt32) {
        for shift in [24, 16, 8, 0] { written.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
    }

    mutating func bytes(_ bytes: [UInt8]) {
        number(UInt32(bytes.count))
        written += bytes
    }

    mutating func text(_ text: String) { bytes(Array(text.utf8)) }

    /// Adds 1, 2, 3 … until the length is a multiple.
    mutating func pad(to multiple: Int) {
        var next: UInt8 = 1
        while written.count % multiple != 0 {
            written.append(next)
            next += 1
        }
    }
}

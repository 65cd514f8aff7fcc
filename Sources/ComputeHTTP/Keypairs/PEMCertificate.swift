import Crypto
import FoundationEssentials

/// A certificate in its textual form. Only its frame is looked at: what it certifies is for those who trust it.
struct PEMCertificate {
    /// The certificate's bytes.
    let der: [UInt8]

    /// Nil when the text holds no certificate.
    init?(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map { String($0).trimmingSpaces }
        guard let first = lines.firstIndex(of: "-----BEGIN CERTIFICATE-----"),
            let last = lines[first...].firstIndex(of: "-----END CERTIFICATE-----"),
            let data = Data(base64Encoded: lines[lines.index(after: first)..<last].joined())
        else { return nil }
        der = Array(data)
        guard Self.isCertificate(der) else { return nil }
    }

    /// The SHA-1 of the certificate in pairs of digits, as Windows shows it.
    var fingerprint: String { ColonDigits.text(Insecure.SHA1.hash(data: der)) }

    /// A sequence of the certified facts, the algorithm, and the signature (RFC 5280, 4.1).
    private static func isCertificate(_ der: [UInt8]) -> Bool {
        guard let whole = element(der[...]), whole.tag == 0x30, whole.rest.isEmpty,
            let facts = element(whole.content), facts.tag == 0x30,
            let algorithm = element(facts.rest), algorithm.tag == 0x30,
            let signature = element(algorithm.rest), signature.tag == 0x03
        else { return false }
        return signature.rest.isEmpty && !facts.content.isEmpty && signature.content.count > 1
    }

    /// The first element: its tag, what it holds, and what follows it.
    private static func element(
        _ bytes: ArraySlice<UInt8>
    ) -> (tag: UInt8, content: ArraySlice<UInt8>, rest: ArraySlice<UInt8>)? {
        guard bytes.count >= 2, let tag = bytes.first else { return nil }
        var rest = bytes.dropFirst()
        var length = Int(rest.removeFirst())
        if length >= 0x80 {
            let count = length & 0x7F
            guard (1...4).contains(count), rest.count >= count else { return nil }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(count)
        }
        guard rest.count >= length else { return nil }
        return (tag, rest.prefix(length), rest.dropFirst(length))
    }
}

import ComputeModel
import Crypto
import HTTPService

/// Whose metadata a request is about.
enum MetadataCaller: Hashable, Sendable {
    /// The server that has an address on a network: the request came in on the network's own socket.
    case address(NetworkID, String)
    /// The server that a proxy names, which must belong to the project that the proxy names.
    case instance(InstanceID, project: String)
}

/// Finds out who asks. Believes only the listener on which a request came, and headers that are signed.
struct MetadataCallers: Sendable {
    private let servesProxies: Bool
    /// Nil where there is none.
    private let key: SymmetricKey?

    init(_ options: MetadataAPIOptions) {
        servesProxies = options.servesProxies
        key = options.sharedSecret.isEmpty ? nil : SymmetricKey(data: Array(options.sharedSecret.utf8))
    }

    /// The tag of the listeners inside a network, before its identifier.
    static let networkTag = "net:"

    /// The caller; nil when nobody says who it is.
    ///
    /// - Throws: ``MetadataFault`` for headers that are missing, repeated or not rightly signed.
    func identify(_ request: HTTPRequest) throws(MetadataFault) -> MetadataCaller? {
        if request.listenerTag.hasPrefix(Self.networkTag) {
            // Headers say nothing here: whoever is on the network could send them.
            guard let network = NetworkID(request.listenerTag.dropFirst(Self.networkTag.count)) else { return nil }
            return .address(network, request.remoteAddress.host)
        }
        return servesProxies ? try proxied(request.headers) : nil
    }

    private func proxied(_ headers: HTTPHeaders) throws(MetadataFault) -> MetadataCaller? {
        let instance = try single("X-Instance-ID", headers)
        let signature = try single("X-Instance-ID-Signature", headers)
        let project = try single("X-Tenant-ID", headers)
        guard let key, let code = Self.bytes(hexadecimal: signature),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Array(instance.utf8), using: key)
        else { throw .forbidden("Invalid proxy request signature.") }
        return InstanceID(instance).map { .instance($0, project: project) }
    }

    private func single(_ name: String, _ headers: HTTPHeaders) throws(MetadataFault) -> String {
        let values = headers[name]
        guard let value = values.first else { throw .badRequest("\(name) header is missing from request.") }
        guard values.count == 1 else { throw .badRequest("Multiple \(name) headers found within request.") }
        return value
    }

    /// The bytes of lower-case digits, as the signature is sent.
    private static func bytes(hexadecimal text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let upper = high {
                bytes.append(upper << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }
}

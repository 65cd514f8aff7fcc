/// What must be equal in host and driver because Swift has no stable binary interface on Linux: the compiler and the
/// sources of DriverKit.
public struct BuildFingerprint: Hashable, Sendable, CustomStringConvertible {
    /// Number of the descriptor's form.
    public let abi: UInt32
    /// The compiler's own version text.
    public let compiler: String
    /// Digest of DriverKit's sources.
    public let interfaceHash: String

    /// A fingerprint.
    public init(abi: UInt32, compiler: String, interfaceHash: String) {
        self.abi = abi
        self.compiler = compiler
        self.interfaceHash = interfaceHash
    }

    public var description: String { "\(abi)/\(interfaceHash)/\(compiler)" }
}

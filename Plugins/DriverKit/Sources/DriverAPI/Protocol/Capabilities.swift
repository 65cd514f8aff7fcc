public import ComputeModel

/// What a driver can do beyond the core. A capability is the object that does it: to advertise one is to hand it
/// over, `nil` means no.
public struct Capabilities: Sendable {
    /// Reads what a guest wrote to its console.
    public var consoleLog: (any ConsoleLogReading)?
    /// Kinds of network binding that guests of this driver can have, in order of preference.
    public var bindings: [PortBinding.Kind]
    /// Disk formats of images that can be booted.
    public var imageFormats: Set<String>
    /// Whether a configuration drive can be attached.
    public var configDrive: Bool
    /// Further facts that need no operation.
    public var traits: Set<Trait>

    /// No capability but those given.
    public init(
        consoleLog: (any ConsoleLogReading)? = nil, bindings: [PortBinding.Kind] = [.unbound],
        imageFormats: Set<String> = [], configDrive: Bool = false, traits: Set<Trait> = []
    ) {
        self.consoleLog = consoleLog
        self.bindings = bindings
        self.imageFormats = imageFormats
        self.configDrive = configDrive
        self.traits = traits
    }

    /// The placement traits that follow from the capabilities: one table for every driver.
    public var placementTraits: Set<Trait> {
        var found = traits
        for format in imageFormats {
            if let trait = Self.imageFormatTraits[format] { found.insert(trait) }
        }
        return found
    }

    private static let imageFormatTraits: [String: Trait] = [
        "aki": Trait("COMPUTE_IMAGE_TYPE_AKI"), "ami": Trait("COMPUTE_IMAGE_TYPE_AMI"),
        "ari": Trait("COMPUTE_IMAGE_TYPE_ARI"), "iso": Trait("COMPUTE_IMAGE_TYPE_ISO"),
        "qcow2": Trait("COMPUTE_IMAGE_TYPE_QCOW2"), "raw": Trait("COMPUTE_IMAGE_TYPE_RAW"),
        "vdi": Trait("COMPUTE_IMAGE_TYPE_VDI"), "vhd": Trait("COMPUTE_IMAGE_TYPE_VHD"),
        "vhdx": Trait("COMPUTE_IMAGE_TYPE_VHDX"), "vmdk": Trait("COMPUTE_IMAGE_TYPE_VMDK"),
        "ploop": Trait("COMPUTE_IMAGE_TYPE_PLOOP"),
    ]

    /// Names of the optional capabilities handed over, for `kilonovad driver list`.
    public var names: [String] {
        var names: [String] = []
        if consoleLog != nil { names.append("console-log") }
        if configDrive { names.append("config-drive") }
        names += bindings.map { "binding-\($0.rawValue)" }
        names += imageFormats.sorted().map { "image-\($0)" }
        return names
    }
}

/// Keeps what guests write to their first serial port, across restarts of guest, driver and host process.
public protocol ConsoleLogReading: Sendable {
    /// The last bytes of a guest's console, oldest first.
    ///
    /// - Parameter bytesMax: at most this many are returned.
    /// - Throws: ``DriverError/noSuchGuest(_:)``.
    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8]
}

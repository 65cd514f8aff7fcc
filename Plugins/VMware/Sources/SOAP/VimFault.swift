import ComputeModel
import DriverAPI

/// A fault that the server answered, with what callers decide by.
struct VimFault: Error, Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case notAuthenticated
        case invalidLogin
        case noPermission
        case invalidPowerState
        /// The object is gone, or was never there.
        case managedObjectNotFound
        /// Another object has the name; which one, where the server says so.
        case duplicateName(ManagedReference?)
        case fileNotFound
        case fileAlreadyExists
        /// The server has too little of something: disk, memory, processors, hosts.
        case insufficientResources
        case requestCanceled
        /// The server has no such method, or cannot do it.
        case notSupported
        case toolsUnavailable
        /// Something else is being done with the object, or it is in use.
        case busy
        case invalidArgument
        case other
    }

    /// The fault's type: `InvalidPowerState`.
    let type: String
    let message: String
    let kind: Kind
    /// Most characters kept of what a server says: it ends up in logs and in the database.
    private static let wordsMax = 1000

    init(type: String, message: String, details: XMLElement? = nil) {
        self.type = String(type.prefix(Self.wordsMax))
        self.message = String(message.prefix(Self.wordsMax))
        kind = Self.kind(type, details)
    }

    /// A fault inside an answer: an element of type `LocalizedMethodFault`.
    init(localized element: XMLElement) {
        let fault = element["fault"]
        self.init(
            type: fault?.type ?? "", message: element.string("localizedMessage") ?? "", details: fault)
    }

    /// A SOAP fault. The detail's only child carries the type.
    init(soap element: XMLElement) {
        let detail = element["detail"]?.children.first
        var type = detail?.type ?? ""
        if type.isEmpty, let name = detail?.name {
            type = name.hasSuffix("Fault") ? String(name.dropLast(5)) : name
        }
        self.init(type: type, message: element.string("faultstring") ?? "", details: detail)
    }

    /// `InvalidPowerState: The attempted operation cannot be performed…`
    var sentence: String {
        switch (type.isEmpty, message.isEmpty) {
        case (true, true): "a fault without a name"
        case (true, false): message
        case (false, true): type
        case (false, false): "\(type): \(message)"
        }
    }

    private static func kind(_ type: String, _ details: XMLElement?) -> Kind {
        switch type {
        case "NotAuthenticated": .notAuthenticated
        case "InvalidLogin": .invalidLogin
        case "NoPermission", "RestrictedVersion": .noPermission
        case "InvalidPowerState": .invalidPowerState
        case "ManagedObjectNotFound": .managedObjectNotFound
        case "DuplicateName": .duplicateName(details?["object"]?.reference)
        case "FileNotFound", "CannotAccessFile", "NotFound", "CannotDeleteFile": .fileNotFound
        case "FileAlreadyExists", "AlreadyExists": .fileAlreadyExists
        case "NoDiskSpace", "InsufficientStorageSpace", "InsufficientResourcesFault", "InsufficientCpuResourcesFault",
            "InsufficientMemoryResourcesFault", "InsufficientHostCapacityFault", "NoCompatibleHost",
            "InsufficientFailoverResourcesFault", "FileTooLarge", "OutOfBounds":
            .insufficientResources
        case "RequestCanceled": .requestCanceled
        case "MethodNotFound", "NotSupported", "NotImplemented", "MethodDisabled": .notSupported
        case "ToolsUnavailable": .toolsUnavailable
        case "TaskInProgress", "ResourceInUse", "FileLocked", "ConcurrentAccess", "VimTaskInProgress": .busy
        case "InvalidArgument", "InvalidRequest", "InvalidDeviceSpec", "InvalidVmConfig", "InvalidProperty":
            .invalidArgument
        default: type.hasPrefix("Insufficient") ? .insufficientResources : .other
        }
    }
}

/// What goes wrong below the driver's calls: a fault of the server, or an error that needs no more interpretation.
enum VimFailure: Error, Hashable, Sendable {
    case fault(VimFault, during: String)
    case driver(DriverError)

    /// The kind of the server's fault; `nil` when there is none.
    var kind: VimFault.Kind? {
        switch self {
        case .fault(let fault, _): fault.kind
        case .driver: nil
        }
    }

    /// Whether the connection, not the request, is the trouble.
    var isUnreachable: Bool {
        switch self {
        case .fault: false
        case .driver(.unreachable), .driver(.timedOut): true
        case .driver: false
        }
    }

    /// What the driver's caller gets.
    var driverError: DriverError {
        switch self {
        case .driver(let error): return error
        case .fault(let fault, let during):
            let text = "vCenter refused \(during): \(fault.sentence)"
            return switch fault.kind {
            case .notAuthenticated: .unreachable(text)
            case .invalidLogin: .badConfiguration(text)
            case .insufficientResources: .insufficientResources(text)
            case .requestCanceled: .cancelled
            case .notSupported: .notSupported(text)
            case .busy: .busy(text)
            case .noPermission, .invalidPowerState, .managedObjectNotFound, .duplicateName, .fileNotFound,
                .fileAlreadyExists, .toolsUnavailable, .invalidArgument, .other:
                .failed(text)
            }
        }
    }
}

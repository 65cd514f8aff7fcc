package import ComputeModel
package import Messaging

/// Asks the agent of a host to carry out one operation on one instance.
///
/// A cast: the agent answers later with ``ReportOperation``, which finds its way after either side restarted. The
/// conductor repeats the cast until it has that report; the agent starts an operation once, and answers a repeat
/// with the report it has already sent. A lower operation number than the last one seen is refused as stale.
package struct PerformOperation: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "perform_operation"
    package static let version = MessageVersion.first

    /// The instance.
    package var instance: InstanceID
    /// Grows with each operation on the instance.
    package var operation: Int64
    /// The request that caused it.
    package var requestID: String
    /// What to do.
    package var command: ComputeCommand

    package init(instance: InstanceID, operation: Int64, requestID: String, command: ComputeCommand) {
        self.instance = instance
        self.operation = operation
        self.requestID = requestID
        self.command = command
    }
}

/// What an agent can be asked to do with a guest.
package enum ComputeCommand: Codable, Sendable, Hashable {
    /// Prepare the interfaces and boot a new guest.
    case spawn(GuestSpec)
    /// Remove the guest and everything made for it; succeeds when there is none.
    case destroy(interfaces: [NetworkInterfaceSpec])
    case powerOn
    /// Ask the guest, wait up to so many seconds, then pull the plug.
    case powerOff(graceSeconds: Double)
    case reboot(RebootMode, graceSeconds: Double)

    /// How to restart a guest.
    package enum RebootMode: String, Codable, Sendable {
        case soft
        case hard
    }

    /// A word for logs and events.
    package var verb: String {
        switch self {
        case .spawn: "spawn"
        case .destroy: "destroy"
        case .powerOn: "power_on"
        case .powerOff: "power_off"
        case .reboot: "reboot"
        }
    }
}

/// Reads the end of a guest's console log.
package struct ReadConsoleLog: RPCMessage {
    /// The bytes, oldest first.
    package struct Reply: Codable, Sendable {
        package var bytes: [UInt8]
        package init(bytes: [UInt8]) { self.bytes = bytes }
    }
    package static let name = "read_console_log"
    package static let version = MessageVersion.first

    /// The instance.
    package var instance: InstanceID
    /// At most so many bytes.
    package var bytesMax: Int

    package init(instance: InstanceID, bytesMax: Int) { (self.instance, self.bytesMax) = (instance, bytesMax) }
}

package import ComputeModel
package import Messaging

/// Tells conductors that sagas stand in the log and wait for an owner. A hint: conductors find them without it too.
package struct WakeSagas: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "wake_sagas"
    package static let version = MessageVersion.first

    /// The sagas, by identifier.
    package var sagas: [UUIDValue]
    package init(sagas: [UUIDValue]) { self.sagas = sagas }
}

/// An agent's report on an operation that it was asked for. Repeated until acknowledged.
package struct ReportOperation: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "report_operation"
    package static let version = MessageVersion.first

    /// Where.
    package var host: String
    /// The instance.
    package var instance: InstanceID
    /// Which operation.
    package var operation: Int64
    /// How it ended.
    package var outcome: OperationOutcome

    package init(host: String, instance: InstanceID, operation: Int64, outcome: OperationOutcome) {
        self.host = host
        self.instance = instance
        self.operation = operation
        self.outcome = outcome
    }
}

/// How an operation ended on its host.
package enum OperationOutcome: Codable, Sendable, Hashable {
    /// Done; the power state afterwards, and the driver's handle where the operation made one.
    case succeeded(power: PowerState, handle: StoredHandle?)
    /// Not done, and nothing of it remains.
    case failed(OperationFailure)
}

/// A driver's handle, as kept for it.
package struct StoredHandle: Codable, Sendable, Hashable {
    package var version: Int
    package var data: [UInt8]
    package init(version: Int, data: [UInt8]) { (self.version, self.data) = (version, data) }
}

/// Why an operation failed on its host.
package struct OperationFailure: Error, Codable, Sendable, Hashable {
    /// What to do about it.
    package enum Remedy: String, Codable, Sendable {
        case retry
        case reschedule
        case giveUp
    }
    /// What to do about it.
    package var remedy: Remedy
    /// For users.
    package var userMessage: String
    /// For operators: the hypervisor's own words.
    package var details: String
    /// The hypervisor does not know the guest.
    package var guestIsGone: Bool

    package init(remedy: Remedy, userMessage: String, details: String, guestIsGone: Bool = false) {
        self.remedy = remedy
        self.userMessage = userMessage
        self.details = details
        self.guestIsGone = guestIsGone
    }
}

/// An agent asks, when it starts, what its host should hold.
package struct AskExpectedGuests: RPCMessage {
    /// Everything the database knows to be on the host.
    package struct Reply: Codable, Sendable {
        package var guests: [ExpectedGuest]
        package init(guests: [ExpectedGuest]) { self.guests = guests }
    }
    package static let name = "ask_expected_guests"
    package static let version = MessageVersion.first

    package var host: String
    package init(host: String) { self.host = host }
}

/// A guest that a host should hold.
package struct ExpectedGuest: Codable, Sendable, Hashable {
    package var instance: InstanceID
    /// The last operation number given out for it.
    package var operation: Int64
    package var status: InstanceStatus
    package var power: PowerState
    package var handle: StoredHandle?
    /// How its ports were wired, for preparing them again after a restart of the host.
    package var interfaces: [NetworkInterfaceSpec]

    package init(
        instance: InstanceID, operation: Int64, status: InstanceStatus, power: PowerState, handle: StoredHandle?,
        interfaces: [NetworkInterfaceSpec]
    ) {
        self.instance = instance
        self.operation = operation
        self.status = status
        self.power = power
        self.handle = handle
        self.interfaces = interfaces
    }
}

/// What an agent saw of guests on its own: changes without an operation, or the full state at an interval.
package struct ReportGuests: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "report_guests"
    package static let version = MessageVersion.first

    package var host: String
    /// Power states by instance.
    package var observed: [GuestObservation]
    /// Whether `observed` holds every guest of ours on the host; then what is missing is gone.
    package var complete: Bool

    package init(host: String, observed: [GuestObservation], complete: Bool) {
        self.host = host
        self.observed = observed
        self.complete = complete
    }
}

/// The power state of one guest, and up to which operation it was current.
package struct GuestObservation: Codable, Sendable, Hashable {
    package var instance: InstanceID
    package var power: PowerState
    /// The last operation that the agent had finished on the guest when it looked.
    package var operation: Int64

    package init(instance: InstanceID, power: PowerState, operation: Int64) {
        self.instance = instance
        self.power = power
        self.operation = operation
    }
}

/// An agent's description of its node: sent at start, whenever it changes, and at an interval.
package struct ReportNode: RPCMessage {
    /// Under which identifier the node is known, also its resource provider's.
    package struct Reply: Codable, Sendable {
        package var node: NodeID
        package init(node: NodeID) { self.node = node }
    }
    package static let name = "report_node"
    package static let version = MessageVersion.first

    package var host: String
    package var driver: String
    package var inventory: NodeInventory
    /// Traits that follow from the driver's capabilities; the inventory's own are added.
    package var capabilityTraits: Set<Trait>
    /// Kinds of port binding the driver can serve, in order of preference.
    package var bindings: [PortBinding.Kind]
    /// The address at which other hosts reach this one.
    package var hostIP: String

    package init(
        host: String, driver: String, inventory: NodeInventory, capabilityTraits: Set<Trait>,
        bindings: [PortBinding.Kind], hostIP: String
    ) {
        self.host = host
        self.driver = driver
        self.inventory = inventory
        self.capabilityTraits = capabilityTraits
        self.bindings = bindings
        self.hostIP = hostIP
    }
}

/// Every service's sign of life; `os-services` shows it.
package struct ReportService: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "report_service"
    package static let version = MessageVersion.first

    /// Nova's name of the service: `nova-compute`.
    package var binary: String
    package var host: String
    package var topic: String
    /// Not usable now, and why (a hypervisor that cannot be reached); shown as down.
    package var trouble: String?

    package init(binary: String, host: String, topic: String, trouble: String? = nil) {
        self.binary = binary
        self.host = host
        self.topic = topic
        self.trouble = trouble
    }
}

/// Tells conductors that addresses or security groups of servers changed at the network service. A hint.
package struct NetworkInfoChanged: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "network_info_changed"
    package static let version = MessageVersion.first

    package var instances: [InstanceID]
    package init(instances: [InstanceID]) { self.instances = instances }
}

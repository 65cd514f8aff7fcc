package import ComputeModel

/// The sagas that the API asks for, by the name under which conductors know them. Never reuse or change one.
package enum SagaName {
    /// Parameters: ``BuildInstanceRequest``.
    package static let build = "build-instance"
    /// Parameters: ``DeleteInstanceRequest``.
    package static let delete = "delete-instance"
    /// Parameters: ``PowerInstanceRequest``.
    package static let power = "power-instance"
}

/// What a build needs beyond the server's own row.
package struct BuildInstanceRequest: Codable, Sendable, Hashable {
    package var instance: InstanceID
    package var requestID: String
    package var networks: NetworkRequest
    /// Names or identifiers of security groups for ports that are created; empty means the project's default.
    package var securityGroups: [String]
    /// Password for the guest's administrator, put on the configuration drive.
    package var adminPassword: String?

    package init(
        instance: InstanceID, requestID: String, networks: NetworkRequest, securityGroups: [String],
        adminPassword: String? = nil
    ) {
        self.instance = instance
        self.requestID = requestID
        self.networks = networks
        self.securityGroups = securityGroups
        self.adminPassword = adminPassword
    }
}

/// How a new server is to be connected.
package enum NetworkRequest: Codable, Sendable, Hashable {
    /// No interface.
    case none
    /// The project's one network; one is made by the network service when there is none.
    case auto
    /// These, in order.
    case list([RequestedInterface])
}

/// One interface that a user asked for: a network, or a port that exists.
package struct RequestedInterface: Codable, Sendable, Hashable {
    package var network: NetworkID?
    package var port: PortID?
    package var fixedAddress: String?
    /// Device tag (2.32, 2.42).
    package var tag: String?

    package init(network: NetworkID? = nil, port: PortID? = nil, fixedAddress: String? = nil, tag: String? = nil) {
        self.network = network
        self.port = port
        self.fixedAddress = fixedAddress
        self.tag = tag
    }
}

/// A deletion that was accepted.
package struct DeleteInstanceRequest: Codable, Sendable, Hashable {
    package var instance: InstanceID
    package var requestID: String

    package init(instance: InstanceID, requestID: String) {
        self.instance = instance
        self.requestID = requestID
    }
}

/// A start, stop or reboot that was accepted.
package struct PowerInstanceRequest: Codable, Sendable, Hashable {
    package var instance: InstanceID
    package var requestID: String
    package var action: InstanceAction

    package init(instance: InstanceID, requestID: String, action: InstanceAction) {
        self.instance = instance
        self.requestID = requestID
        self.action = action
    }
}

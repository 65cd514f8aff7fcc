package import ComputeModel

/// A server that was asked for and is about to be stored.
package struct NewInstance: Sendable {
    package var id: InstanceID
    package var reservationID: String
    package var launchIndex: Int
    package var projectID: String
    package var userID: String
    package var name: String
    package var description: String?
    package var hostname: String
    package var availabilityZone: String?
    package var imagePropertiesJSON: String
    package var keyName: String?
    package var keyData: String?
    package var userData: String?
    package var configDrive: Bool
    /// Whether the root file system is grown to the disk (`OS-DCF:diskConfig` AUTO).
    package var autoDiskConfig: Bool
    package var accessIPv4: String?
    package var accessIPv6: String?
    package var metadata: [String: String]
    package var tags: [String]
    package var trustedCertificatesJSON: String?
    package var hintsJSON: String
    /// Flavor, image and where it may go.
    package var specJSON: String
    package var flavor: FlavorSpec
    package var imageID: ImageID?

    package init(
        id: InstanceID, reservationID: String, launchIndex: Int, projectID: String, userID: String, name: String,
        description: String?, hostname: String, availabilityZone: String?, imagePropertiesJSON: String,
        keyName: String?, keyData: String?, userData: String?, configDrive: Bool, autoDiskConfig: Bool = false,
        accessIPv4: String?,
        accessIPv6: String?, metadata: [String: String], tags: [String], trustedCertificatesJSON: String?,
        hintsJSON: String, specJSON: String, flavor: FlavorSpec, imageID: ImageID?
    ) {
        self.id = id
        self.reservationID = reservationID
        self.launchIndex = launchIndex
        self.projectID = projectID
        self.userID = userID
        self.name = name
        self.description = description
        self.hostname = hostname
        self.availabilityZone = availabilityZone
        self.imagePropertiesJSON = imagePropertiesJSON
        self.keyName = keyName
        self.keyData = keyData
        self.userData = userData
        self.configDrive = configDrive
        self.autoDiskConfig = autoDiskConfig
        self.accessIPv4 = accessIPv4
        self.accessIPv6 = accessIPv6
        self.metadata = metadata
        self.tags = tags
        self.trustedCertificatesJSON = trustedCertificatesJSON
        self.hintsJSON = hintsJSON
        self.specJSON = specJSON
        self.flavor = flavor
        self.imageID = imageID
    }
}

/// A saga to be stored together with what it is about, so that an accepted request is never without its work.
package struct NewSaga: Sendable {
    package var id: UUIDValue
    /// The saga type's name.
    package var name: String
    /// What it is about: usually the instance.
    package var subject: String
    /// Encoded parameters.
    package var parametersJSON: String

    package init(id: UUIDValue, name: String, subject: String, parametersJSON: String) {
        self.id = id
        self.name = name
        self.subject = subject
        self.parametersJSON = parametersJSON
    }
}

/// Who asked for an action, for the record of actions.
package struct ActionOrigin: Sendable {
    package var requestID: String
    package var userID: String
    package var projectID: String

    package init(requestID: String, userID: String, projectID: String) {
        self.requestID = requestID
        self.userID = userID
        self.projectID = projectID
    }
}

/// Limits that apply to a creation; -1 is no limit.
package struct CreationLimits: Sendable {
    package var instances: Int
    package var cores: Int
    package var memoryMiB: Int

    package init(instances: Int, cores: Int, memoryMiB: Int) {
        self.instances = instances
        self.cores = cores
        self.memoryMiB = memoryMiB
    }
}

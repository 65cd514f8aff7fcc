package import Messaging

/// The topics on which services listen. The names are Nova's, so that operators find them in the broker.
package enum Topic {
    /// Conductors: any of them takes a message.
    package static let conductor = "conductor"
    /// Schedulers: any of them takes a message.
    package static let scheduler = "scheduler"
    /// Placement, for callers inside the deployment. Users and other tools use its HTTP interface.
    package static let placement = "placement"
    /// Compute agents: each listens for its own host.
    package static let compute = "compute"
    /// Network workers: each listens for its own host, and all of them for hints about changes.
    package static let network = "network"
}

extension MessageVersion {
    /// The version in which an interface first appears.
    package static let first = MessageVersion(1, 0)
}

/// Kinds of ``RemoteFault`` that callers act on. A fault of another kind is a failure of the service.
package enum FaultKind {
    /// No host can take the instance. The message says why, per stage.
    package static let noValidHost = "NoValidHost"
    /// A generation or a capacity has changed since it was read: read again and decide again.
    package static let conflict = "ConcurrentUpdate"
    /// What was named does not exist (any more).
    package static let notFound = "NotFound"
    /// The other side cannot do this.
    package static let notSupported = "NotSupported"
    /// The other side has a newer operation on the instance.
    package static let stale = "StaleOperation"
    /// The other side cannot be used now.
    package static let unavailable = "Unavailable"
}

/// An answer without content.
package struct Acknowledged: Codable, Sendable {
    package init() {}
}

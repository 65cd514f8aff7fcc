public import ComputeModel

/// What a driver can say went wrong, by what the agent does about it.
///
/// Every case carries a sentence for operators that says what, where and why, with the hypervisor's own words; a
/// user sees only what ``DriverError/userMessage`` says.
public enum DriverError: Error, Hashable, Codable, Sendable {
    /// The hypervisor does not know the guest. The agent reconciles.
    case noSuchGuest(GuestID)
    /// The hypervisor cannot be reached or is restarting. The agent waits and repeats.
    case unreachable(String)
    /// This host cannot take the guest now (memory, disk, descriptors). The conductor tries another host.
    case insufficientResources(String)
    /// The image cannot be used anywhere: wrong format, a reference to another file, larger than the flavor's disk.
    case imageUnacceptable(String)
    /// The image could not be fetched. The conductor tries another host.
    case imageUnavailable(String)
    /// The request can never succeed as it stands: a bad combination of options, a foreign guest.
    case refused(String)
    /// The driver cannot do this at all.
    case notSupported(String)
    /// The guest is busy (a device in use, a job running). The agent repeats a few times.
    case busy(String)
    /// The guest did not do what was asked in time.
    case timedOut(String)
    /// The call was cancelled; what it had made is gone.
    case cancelled
    /// A lower operation number than one already seen: a late or repeated message.
    case stale(String)
    /// Bad configuration: the driver cannot start. The sentence names group, option, value and remedy.
    case badConfiguration(String)
    /// The hypervisor failed in a way not foreseen. The conductor tries another host.
    case failed(String)

    /// What to do next.
    public enum Remedy: String, Codable, Sendable {
        /// Repeat the same call.
        case retry
        /// Try another host.
        case reschedule
        /// Give up: the same request fails everywhere.
        case giveUp
    }

    /// What the caller should do next.
    public var remedy: Remedy {
        switch self {
        case .unreachable, .busy: .retry
        case .insufficientResources, .imageUnavailable, .timedOut, .failed: .reschedule
        case .noSuchGuest, .imageUnacceptable, .refused, .notSupported, .cancelled, .stale, .badConfiguration: .giveUp
        }
    }

    /// For operators: everything.
    public var message: String {
        switch self {
        case .noSuchGuest(let guest): "the hypervisor has no guest \(guest)"
        case .cancelled: "the call was cancelled"
        case .unreachable(let text), .insufficientResources(let text), .imageUnacceptable(let text),
            .imageUnavailable(let text), .refused(let text), .notSupported(let text), .busy(let text),
            .timedOut(let text), .stale(let text), .badConfiguration(let text), .failed(let text):
            text
        }
    }

    /// For users: what they can act on; internals of the host are left to the log.
    public var userMessage: String {
        switch self {
        case .imageUnacceptable(let text), .refused(let text), .notSupported(let text): text
        case .noSuchGuest: "The hypervisor does not hold this server."
        case .unreachable: "The hypervisor could not be reached."
        case .insufficientResources: "The host has too little room for this server."
        case .imageUnavailable: "The image could not be fetched."
        case .busy: "The server is busy."
        case .timedOut: "The server did not answer in time."
        case .cancelled: "The operation was cancelled."
        case .stale: "A newer operation has replaced this one."
        case .badConfiguration, .failed: "The hypervisor reported a failure."
        }
    }
}

extension DriverError: CustomStringConvertible {
    public var description: String { message }
}

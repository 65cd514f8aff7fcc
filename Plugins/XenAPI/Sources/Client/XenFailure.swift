import DriverAPI

/// An error that XenAPI answered: a code and its parameters.
struct XenFailure: Error, Hashable, Sendable {
    /// `VM_BAD_POWER_STATE`, …
    let code: String
    /// What the code is about, as the server words it.
    let parameters: [String]

    /// Most characters kept of a word of the server's, and most words: they end up in logs and in the database.
    private static let (wordMax, wordsMax) = (1000, 32)

    init(_ code: String, _ parameters: [String] = []) {
        self.code = String(code.prefix(Self.wordMax))
        self.parameters = parameters.prefix(Self.wordsMax).map { String($0.prefix(Self.wordMax)) }
    }

    /// The form of an error description: the code, then its parameters.
    init(description: [String]) {
        self.init(description.first ?? "INTERNAL_ERROR", Array(description.dropFirst()))
    }

    /// The server's words. Parameters of session errors are left out, because they hold what permits calls.
    var text: String {
        let words = code.hasPrefix("SESSION_") ? [] : parameters.filter { !$0.isEmpty }
        return words.isEmpty ? code : "\(code) (\(words.joined(separator: ", ")))"
    }

    private static let noRoom: Set<String> = [
        "HOST_NOT_ENOUGH_FREE_MEMORY", "HOST_NOT_ENOUGH_PCPUS", "SR_FULL", "SR_BACKEND_FAILURE_44", "HOST_DISABLED",
        "HOST_DISABLED_UNTIL_REBOOT", "HOST_NOT_LIVE", "NO_HOSTS_AVAILABLE", "SR_HAS_NO_PBDS", "VM_REQUIRES_SR",
        "VM_REQUIRES_NETWORK", "VM_REQUIRES_VDI", "SR_NOT_ATTACHED", "VM_NO_SUSPEND_SR", "SR_NO_PBDS",
        "VM_HOST_INCOMPATIBLE_VERSION", "VM_INCOMPATIBLE_WITH_THIS_HOST",
    ]
    private static let busy: Set<String> = [
        "OTHER_OPERATION_IN_PROGRESS", "VDI_IN_USE", "DEVICE_DETACH_REJECTED", "DEVICE_DETACH_TIMEOUT",
        "TOO_BUSY", "TOO_MANY_PENDING_TASKS", "TOO_MANY_STORAGE_MIGRATES", "VM_MIGRATE_IN_PROGRESS", "SR_HAS_PBD",
        "VDI_BEING_COALESCED", "TASK_NOT_CANCELLED",
    ]
    private static let away: Set<String> = [
        "HOST_IS_SLAVE", "HOST_STILL_BOOTING", "HOST_OFFLINE", "CANNOT_CONTACT_HOST", "SESSION_INVALID",
        "HOST_HAS_NO_MANAGEMENT_IP", "HOST_ITS_OWN_SLAVE", "HOST_UNKNOWN_TO_MASTER", "SM_PLUGIN_COMMUNICATION_FAILURE",
        "SR_BACKEND_FAILURE_141", "EVENT_SUBSCRIPTION_PARSE_FAILURE",
    ]
    private static let cannot: Set<String> = [
        "MESSAGE_METHOD_UNKNOWN", "NOT_IMPLEMENTED", "LICENCE_RESTRICTION", "FEATURE_RESTRICTED",
        "SR_OPERATION_NOT_SUPPORTED", "VM_MISSING_PV_DRIVERS", "VM_OLD_PV_DRIVERS", "VM_LACKS_FEATURE",
        "VM_LACKS_FEATURE_SHUTDOWN", "VM_LACKS_FEATURE_SUSPEND", "VM_LACKS_FEATURE_VCPU_HOTPLUG",
        "HOST_POWER_ON_MODE_DISABLED", "HOST_POWER_ON_NOT_CONFIGURED", "UNIMPLEMENTED_IN_SM_BACKEND",
    ]
    private static let wrong: Set<String> = [
        "VM_BAD_POWER_STATE", "OPERATION_BLOCKED", "VM_IS_TEMPLATE", "VM_HVM_REQUIRED", "DEVICE_ALREADY_EXISTS",
        "INVALID_DEVICE", "SR_BACKEND_FAILURE_68", "MEMORY_CONSTRAINT_VIOLATION", "VALUE_NOT_SUPPORTED",
        "HOST_IN_USE", "HOST_NOT_DISABLED", "VDI_TOO_LARGE", "VDI_NOT_IN_MAP", "VIF_NOT_IN_MAP", "VM_IS_PROTECTED",
        "MAC_INVALID", "VM_HAS_VGPU", "VM_HAS_PCI_ATTACHED",
    ]

    /// What the agent is told when this ends a call.
    ///
    /// - Parameter doing: what was attempted: `start the guest …`.
    func driverError(_ doing: String) -> DriverError {
        let sentence = "XenAPI refused to \(doing): \(text)"
        switch code {
        case "TASK_CANCELLED", "USER_CANCELLED": return .cancelled
        case "SESSION_AUTHENTICATION_FAILED":
            return .badConfiguration(
                "[xenserver] connection_username and connection_password are not accepted by the server (\(text)); "
                    + "correct them")
        case "VM_SHUTDOWN_TIMEOUT", "DEVICE_ATTACH_TIMEOUT", "TASK_TIMED_OUT": return .timedOut(sentence)
        case "BOOTLOADER_FAILED", "INVALID_KERNEL_IMAGE", "VDI_IS_NOT_ISO":
            return .imageUnacceptable("The image cannot be booted: \(text)")
        default: break
        }
        if Self.noRoom.contains(code) { return .insufficientResources(sentence) }
        if Self.busy.contains(code) { return .busy(sentence) }
        if Self.away.contains(code) { return .unreachable(sentence) }
        if Self.cannot.contains(code) { return .notSupported(sentence) }
        if Self.wrong.contains(code) { return .refused(sentence) }
        return .failed(sentence)
    }
}

/// How a call ended that reached the server.
typealias XenResult = Result<XenValue, XenFailure>

/// What a user may ask of an existing instance.
///
/// The raw values are the names under which instance actions are recorded (`os-instance-actions`).
public enum InstanceAction: String, Codable, CaseIterable, Sendable {
    case start
    case stop
    case softReboot
    case hardReboot
    case delete

    /// The name in the list of instance actions, as Nova records it.
    public var recordedName: String {
        switch self {
        case .start: "start"
        case .stop: "stop"
        case .softReboot, .hardReboot: "reboot"
        case .delete: "delete"
        }
    }

    /// The verb of Nova's refusals: "Cannot 'reboot' instance …".
    public var refusalVerb: String { recordedName }
}

/// When an action may begin, what it is while it runs, and where it ends.
///
/// One table feeds the API's 409, the agent, the reference page and the tests.
public struct ActionRule: Sendable {
    /// States from which the action may begin.
    public let allowedFrom: Set<VMState>
    /// Tasks that the action may interrupt. Without a task every action of the table may begin.
    public let interrupts: Set<TaskState>
    /// The task that the instance shows while the action runs.
    public let during: TaskState
    /// The state after success.
    public let leadsTo: VMState
    /// Whether a lock refuses the action to a user who may not override locks.
    public let respectsLock: Bool
}

extension InstanceAction {
    /// The rule of this action: Nova's documented table of allowed states.
    public var rule: ActionRule {
        switch self {
        case .start:
            ActionRule(
                allowedFrom: [.stopped], interrupts: [], during: .poweringOn, leadsTo: .active, respectsLock: true)
        case .stop:
            ActionRule(
                allowedFrom: [.active, .error], interrupts: [], during: .poweringOff, leadsTo: .stopped,
                respectsLock: true)
        case .softReboot:
            ActionRule(
                allowedFrom: [.active], interrupts: [], during: .rebooting, leadsTo: .active, respectsLock: true)
        case .hardReboot:
            ActionRule(
                allowedFrom: [.active, .stopped, .paused, .suspended, .error],
                interrupts: TaskState.softReboot.union(TaskState.hardReboot)
                    .union([.resuming, .pausing, .unpausing, .suspending]),
                during: .rebootingHard, leadsTo: .active, respectsLock: true)
        case .delete:
            ActionRule(
                allowedFrom: VMState.all.subtracting(VMState.terminal), interrupts: TaskState.all,
                during: .deleting, leadsTo: .deleted, respectsLock: true)
        }
    }
}

/// Why an action was refused.
public enum ActionRefused: Error, Equatable, Sendable {
    /// The instance is in a state from which the action is not allowed.
    case wrongState(InstanceAction, VMState)
    /// Another task runs that the action may not interrupt.
    case busy(InstanceAction, TaskState)

    /// Nova's wording, on which clients match.
    public func message(for instance: InstanceID) -> String {
        switch self {
        case .wrongState(let action, let state):
            "Cannot '\(action.refusalVerb)' instance \(instance) while it is in vm_state \(state.rawValue)"
        case .busy(let action, let task):
            "Cannot '\(action.refusalVerb)' instance \(instance) while it is in task_state \(task.rawValue)"
        }
    }
}

/// The state of an instance and the task that runs on it, if any.
public struct InstanceStatus: Hashable, Codable, Sendable {
    /// What it is.
    public let vm: VMState
    /// What is being done.
    public let task: TaskState?

    /// A status with the given state and task.
    public init(vm: VMState, task: TaskState?) { (self.vm, self.task) = (vm, task) }

    /// The status once `action` is accepted.
    ///
    /// Pure. The caller stores the result with a compare-and-swap on the status that it read, so two concurrent
    /// requests cannot both be accepted.
    public func beginning(_ action: InstanceAction) throws(ActionRefused) -> InstanceStatus {
        let rule = action.rule
        guard rule.allowedFrom.contains(vm) else { throw .wrongState(action, vm) }
        if let task, !rule.interrupts.contains(task) { throw .busy(action, task) }
        return InstanceStatus(vm: vm, task: rule.during)
    }
}

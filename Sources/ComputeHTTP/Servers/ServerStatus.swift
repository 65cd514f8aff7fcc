import ComputeModel
import ComputeStore

/// The one word in which users see a server's state and task.
enum ServerStatus {
    /// The word for a state, and the tasks that change it.
    private static func words(_ state: VMState) -> (word: String, exceptions: [(tasks: Set<TaskState>, word: String)]) {
        switch state {
        case .active:
            (
                "ACTIVE",
                [
                    (TaskState.softReboot, "REBOOT"), (TaskState.hardReboot, "HARD_REBOOT"),
                    ([.updatingPassword], "PASSWORD"), (rebuild, "REBUILD"), ([.migrating], "MIGRATING"),
                    (resize, "RESIZE"),
                ]
            )
        case .building: ("BUILD", [])
        case .stopped: ("SHUTOFF", [(resize, "RESIZE"), (rebuild, "REBUILD")])
        case .resized: ("VERIFY_RESIZE", [([.resizeReverting], "REVERT_RESIZE")])
        case .paused: ("PAUSED", [([.migrating], "MIGRATING")])
        case .suspended: ("SUSPENDED", [])
        case .rescued: ("RESCUE", [])
        case .error: ("ERROR", [(rebuild, "REBUILD")])
        case .deleted: ("DELETED", [])
        case .softDeleted: ("SOFT_DELETED", [])
        case .shelved: ("SHELVED", [])
        case .shelvedOffloaded: ("SHELVED_OFFLOADED", [])
        }
    }

    private static let rebuild: Set<TaskState> = [.rebuilding, .rebuildBlockDeviceMapping, .rebuildSpawning]
    private static let resize: Set<TaskState> = [.resizePrep, .resizeMigrating, .resizeMigrated, .resizeFinish]

    private static let table = Dictionary(uniqueKeysWithValues: VMState.allCases.map { ($0, words($0)) })

    /// The word for a server.
    static func word(_ server: InstanceRecord) -> String {
        if server.isDeleted { return "DELETED" }
        return word(server.status)
    }

    /// The word for a state and a task.
    static func word(_ status: InstanceStatus) -> String {
        guard let entry = table[status.vm] else { return "UNKNOWN" }
        if let task = status.task, let exception = entry.exceptions.first(where: { $0.tasks.contains(task) }) {
            return exception.word
        }
        return entry.word
    }

    /// The states and tasks that words stand for, whatever their case; no tasks where a word stands for a state
    /// with any task.
    static func states(of asked: [String]) -> (states: Set<VMState>, tasks: Set<TaskState>?) {
        let lowered = Set(asked.map { $0.lowercased() })
        var states: Set<VMState> = []
        var tasks: Set<TaskState> = []
        var isAnyTask = false
        for (state, entry) in table {
            if lowered.contains(entry.word.lowercased()) {
                states.insert(state)
                isAnyTask = true
            }
            for exception in entry.exceptions where lowered.contains(exception.word.lowercased()) {
                states.insert(state)
                tasks.formUnion(exception.tasks)
            }
        }
        return (states, isAnyTask ? nil : tasks)
    }

    /// Words with which progress is shown.
    static let withProgress: Set<String> = ["ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"]
    /// Words with which a fault is shown.
    static let withFault: Set<String> = ["ERROR", "DELETED"]
}

/// What an instance is, stably. The raw values are Nova's and are seen by clients (`OS-EXT-STS:vm_state`).
public enum VMState: String, Codable, CaseIterable, Sendable {
    case active
    case building
    case paused
    case suspended
    case stopped
    case rescued
    case resized
    case softDeleted = "soft-delete"
    case deleted
    case error
    case shelved
    case shelvedOffloaded = "shelved_offloaded"
}

extension VMState {
    /// Every state.
    public static let all = Set(allCases)
    /// States from which nothing leads back: the record is kept for reading only.
    public static let terminal: Set<VMState> = [.deleted]
}

/// What is being done to an instance. The raw values are Nova's and are seen by clients (`OS-EXT-STS:task_state`).
public enum TaskState: String, Codable, CaseIterable, Sendable {
    case scheduling
    case blockDeviceMapping = "block_device_mapping"
    case networking
    case spawning
    case imageSnapshot = "image_snapshot"
    case imageSnapshotPending = "image_snapshot_pending"
    case imagePendingUpload = "image_pending_upload"
    case imageUploading = "image_uploading"
    case imageBackup = "image_backup"
    case updatingPassword = "updating_password"
    case resizePrep = "resize_prep"
    case resizeMigrating = "resize_migrating"
    case resizeMigrated = "resize_migrated"
    case resizeFinish = "resize_finish"
    case resizeReverting = "resize_reverting"
    case resizeConfirming = "resize_confirming"
    case rebooting
    case rebootPending = "reboot_pending"
    case rebootStarted = "reboot_started"
    case rebootingHard = "rebooting_hard"
    case rebootPendingHard = "reboot_pending_hard"
    case rebootStartedHard = "reboot_started_hard"
    case pausing
    case unpausing
    case suspending
    case resuming
    case poweringOff = "powering-off"
    case poweringOn = "powering-on"
    case rescuing
    case unrescuing
    case rebuilding
    case rebuildBlockDeviceMapping = "rebuild_block_device_mapping"
    case rebuildSpawning = "rebuild_spawning"
    case migrating
    case deleting
    case softDeleting = "soft-deleting"
    case restoring
    case shelving
    case shelvingImagePendingUpload = "shelving_image_pending_upload"
    case shelvingImageUploading = "shelving_image_uploading"
    case shelvingOffloading = "shelving_offloading"
    case unshelving
}

extension TaskState {
    /// Every task state.
    public static let all = Set(allCases)
    /// Tasks of a soft reboot, in any phase.
    public static let softReboot: Set<TaskState> = [.rebooting, .rebootPending, .rebootStarted]
    /// Tasks of a hard reboot, in any phase.
    public static let hardReboot: Set<TaskState> = [.rebootingHard, .rebootPendingHard, .rebootStartedHard]
    /// Tasks of a first build. A server shows status BUILD while one of them runs.
    public static let building: Set<TaskState> = [.scheduling, .blockDeviceMapping, .networking, .spawning]
}

/// What the hypervisor says. The raw values are Nova's and are seen by clients (`OS-EXT-STS:power_state`).
public enum PowerState: Int, Codable, CaseIterable, Sendable {
    case noState = 0
    case running = 1
    case paused = 3
    case shutdown = 4
    case crashed = 6
    case suspended = 7
}

import CLibvirt
import ComputeModel

extension LibvirtDomain {
    /// Whether it has a process now, running or paused.
    var isActive: Bool { virDomainIsActive(pointer) == 1 }

    /// Whether libvirt keeps its memory on disk.
    var hasSavedMemory: Bool { virDomainHasManagedSaveImage(pointer, 0) == 1 }

    /// Freezes its processors.
    func pause() throws(LibvirtFailure) {
        guard virDomainSuspend(pointer) == 0 else { throw .last("pause the guest") }
    }

    /// Writes its memory to disk and ends its process. libvirt lets it run on when that fails.
    func saveMemory() throws(LibvirtFailure) {
        guard virDomainManagedSave(pointer, 0) == 0 else { throw .last("save the guest's memory") }
    }

    /// Forgets memory that was saved; succeeds when there is none.
    func discardSavedMemory() throws(LibvirtFailure) {
        guard hasSavedMemory else { return }
        guard virDomainManagedSaveRemove(pointer, 0) == 0 else { throw .last("discard the guest's saved memory") }
    }

    /// Injects a non-maskable interrupt.
    func injectInterrupt() throws(LibvirtFailure) {
        guard virDomainInjectNMI(pointer, 0) == 0 else { throw .last("interrupt the guest") }
    }

    /// Ends the long job that runs on it; succeeds when there is none.
    func abortJob() throws(LibvirtFailure) {
        guard virDomainAbortJob(pointer) != 0 else { return }
        let failure = LibvirtFailure.last("abort the guest's job")
        if failure.hasCode(VIR_ERR_OPERATION_INVALID), !hasJob { return }
        throw failure
    }

    /// Whether a long job runs on it.
    var hasJob: Bool {
        var info = virDomainJobInfo()
        guard virDomainGetJobInfo(pointer, &info) == 0 else { return false }
        return info.type != Int32(VIR_DOMAIN_JOB_NONE.rawValue)
    }

    /// The long job that runs on it now.
    func job() throws(LibvirtFailure) -> DomainJob? {
        try job(flags: 0)
    }

    /// How the last long job ended; `nil` when libvirt does not know any more.
    func completedJob() throws(LibvirtFailure) -> DomainJob? {
        try job(flags: UInt32(VIR_DOMAIN_JOB_STATS_COMPLETED.rawValue))
    }

    private func job(flags: UInt32) throws(LibvirtFailure) -> DomainJob? {
        var type: Int32 = 0
        var list: UnsafeMutablePointer<virTypedParameter>?
        var count: Int32 = 0
        guard virDomainGetJobStats(pointer, &type, &list, &count, flags) == 0 else {
            throw .last("read the guest's job")
        }
        defer { virTypedParamsFree(list, count) }
        let kind = virDomainJobType(rawValue: UInt32(bitPattern: type))
        if kind == VIR_DOMAIN_JOB_NONE { return nil }
        let values = ParameterValues(list, count)
        return DomainJob(
            end: kind == VIR_DOMAIN_JOB_COMPLETED ? .completed : kind == VIR_DOMAIN_JOB_FAILED
                || kind == VIR_DOMAIN_JOB_CANCELLED ? .failed : nil,
            operation: values.number(VIR_DOMAIN_JOB_OPERATION) ?? 0,
            total: (values.number(VIR_DOMAIN_JOB_MEMORY_TOTAL) ?? 0) + (values.number(VIR_DOMAIN_JOB_DISK_TOTAL) ?? 0),
            done: (values.number(VIR_DOMAIN_JOB_MEMORY_PROCESSED) ?? 0)
                + (values.number(VIR_DOMAIN_JOB_DISK_PROCESSED) ?? 0),
            reason: values.text(VIR_DOMAIN_JOB_ERRMSG))
    }

    /// Counters of processors, memory, disks and interfaces.
    func statistics() throws(LibvirtFailure) -> ParameterValues {
        let wanted =
            VIR_DOMAIN_STATS_STATE.rawValue | VIR_DOMAIN_STATS_CPU_TOTAL.rawValue | VIR_DOMAIN_STATS_BALLOON.rawValue
            | VIR_DOMAIN_STATS_VCPU.rawValue | VIR_DOMAIN_STATS_INTERFACE.rawValue | VIR_DOMAIN_STATS_BLOCK.rawValue
        var list: UnsafeMutablePointer<virDomainStatsRecordPtr?>?
        var domains: [OpaquePointer?] = [pointer, nil]
        let count = virDomainListGetStats(&domains, UInt32(wanted), &list, 0)
        guard count >= 0, let list else { throw .last("read the guest's counters") }
        defer { virDomainStatsRecordListFree(list) }
        guard count > 0, let record = list[0] else { throw .noDomain("read the guest's counters") }
        return ParameterValues(record.pointee.params, record.pointee.nparams)
    }
}

/// A long job of libvirt's on a guest: saving, migrating, backing up.
struct DomainJob: Hashable, Sendable {
    /// How it can end.
    enum End: Sendable { case completed, failed }
    /// How it ended; `nil` while it runs.
    var end: End?
    /// virDomainJobOperation.
    var operation: UInt64
    /// Bytes of memory and disks.
    var total: UInt64
    var done: UInt64
    /// Why it failed.
    var reason: String?

    /// How far it is; `nil` when it has no measure yet.
    var percent: Int? { total > 0 ? min(100, Int(done * 100 / total)) : nil }

    /// Whether it moves the guest to another node.
    var isMigration: Bool { operation == UInt64(VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT.rawValue) }
    /// Whether it copies disks to a file.
    var isBackup: Bool { operation == UInt64(VIR_DOMAIN_JOB_OPERATION_BACKUP.rawValue) }
}

import CLibvirt
import Glibc

extension LibvirtDomain {
    /// Its document.
    enum Document: Sendable {
        /// As it runs now.
        case live
        /// As it will be when it is started next.
        case kept
        /// As another node could take it while it runs.
        case migratable
    }

    /// Reads its document.
    func xml(_ document: Document) throws(LibvirtFailure) -> XMLElement {
        let flags =
            switch document {
            case .live: VIR_DOMAIN_XML_SECURE.rawValue
            case .kept: VIR_DOMAIN_XML_SECURE.rawValue | VIR_DOMAIN_XML_INACTIVE.rawValue
            case .migratable: VIR_DOMAIN_XML_SECURE.rawValue | VIR_DOMAIN_XML_MIGRATABLE.rawValue
            }
        guard let text = virDomainGetXMLDesc(pointer, UInt32(flags)) else { throw .last("read the guest's document") }
        defer { free(text) }
        do throws(XMLReader.Failure) {
            return try XMLReader.parse(String(cString: text))
        } catch {
            throw LibvirtFailure(
                call: "read the guest's document", code: Int32(VIR_ERR_XML_ERROR.rawValue),
                domain: Int32(VIR_FROM_DOMAIN.rawValue), text: "\(error.reason) at byte \(error.offset)")
        }
    }

    /// Gives a running guest a device.
    func plug(_ device: XMLElement) throws(LibvirtFailure) {
        guard virDomainAttachDeviceFlags(pointer, device.serialized, UInt32(VIR_DOMAIN_AFFECT_LIVE.rawValue)) == 0
        else { throw .last("attach a \(device.name) to the running guest") }
    }

    /// Asks a running guest to give a device back. It does so later, or never. Succeeds when it has been asked already
    /// and when the device is gone.
    func unplug(_ device: XMLElement) throws(LibvirtFailure) {
        guard virDomainDetachDeviceFlags(pointer, device.serialized, UInt32(VIR_DOMAIN_AFFECT_LIVE.rawValue)) != 0
        else { return }
        let failure = LibvirtFailure.last("detach a \(device.name) from the running guest")
        if failure.hasCode(VIR_ERR_DEVICE_MISSING, VIR_ERR_OPERATION_TIMEOUT) { return }
        // QEMU says so to a second wish while the guest considers the first.
        if failure.text.contains("in the process of unplug") { return }
        throw failure
    }

    /// Makes a running guest see a disk's new size.
    func resizeDisk(_ target: String, bytes: UInt64) throws(LibvirtFailure) {
        guard virDomainBlockResize(pointer, target, bytes, UInt32(VIR_DOMAIN_BLOCK_RESIZE_BYTES.rawValue)) == 0
        else { throw .last("resize the guest's disk \(target)") }
    }

    /// Size of a disk as the guest sees it.
    func diskBytes(_ target: String) throws(LibvirtFailure) -> UInt64 {
        var info = virDomainBlockInfo()
        guard virDomainGetBlockInfo(pointer, target, &info, 0) == 0 else { throw .last("measure the disk \(target)") }
        return info.capacity
    }

    /// Begins to copy a disk to another place that exists, and to keep both equal.
    func mirror(_ target: String, to disk: XMLElement) throws(LibvirtFailure) {
        let flags = VIR_DOMAIN_BLOCK_COPY_REUSE_EXT.rawValue | VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB.rawValue
        guard virDomainBlockCopy(pointer, target, disk.serialized, nil, 0, UInt32(flags)) == 0 else {
            throw .last("copy the disk \(target)")
        }
    }

    /// How far the job on a disk is; `nil` when there is none.
    func diskJob(_ target: String) throws(LibvirtFailure) -> (done: UInt64, total: UInt64)? {
        var info = virDomainBlockJobInfo()
        switch virDomainGetBlockJobInfo(pointer, target, &info, 0) {
        case 0: return nil
        case 1: return (info.cur, info.end)
        default: throw .last("read the job on the disk \(target)")
        }
    }

    /// Ends the job on a disk.
    ///
    /// - Parameter pivoting: whether the guest goes on with the copy.
    func endDiskJob(_ target: String, pivoting: Bool) throws(LibvirtFailure) {
        let flags = pivoting ? VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT.rawValue : 0
        guard virDomainBlockJobAbort(pointer, target, UInt32(flags)) == 0 else {
            throw .last("end the job on the disk \(target)")
        }
    }

    /// Begins to copy disks to files as they are now.
    func beginBackup(_ document: XMLElement) throws(LibvirtFailure) {
        let flags = UInt32(VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL.rawValue)
        guard virDomainBackupBegin(pointer, document.serialized, nil, flags) == 0 else {
            throw .last("copy the guest's disks")
        }
    }
}

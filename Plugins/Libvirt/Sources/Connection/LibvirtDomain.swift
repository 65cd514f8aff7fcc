import CLibvirt
import ComputeModel
import DriverSupport
import Glibc

/// A domain of a connection: libvirt's word for a guest. Every method blocks.
struct LibvirtDomain: ~Copyable {
    /// libvirt's object.
    let pointer: OpaquePointer

    /// Takes over a reference that libvirt returned.
    fileprivate init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { virDomainFree(pointer) }

    /// The identifier of a domain that belongs to somebody else.
    static func identifier(of pointer: OpaquePointer) -> GuestID? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { bytes in
            guard virDomainGetUUID(pointer, bytes.baseAddress) == 0 else { return nil }
            func word(_ range: Range<Int>) -> UInt64 { range.reduce(0) { $0 << 8 | UInt64(bytes[$1]) } }
            return GuestID(UUIDValue(high: word(0..<8), low: word(8..<16)))
        }
    }

    /// The guest's identifier.
    var id: GuestID? { Self.identifier(of: pointer) }

    /// The hypervisor's name for it.
    var name: String { virDomainGetName(pointer).map { String(cString: $0) } ?? "" }

    /// The power state, in Nova's words.
    func powerState() throws(LibvirtFailure) -> PowerState {
        var state: Int32 = 0
        guard virDomainGetState(pointer, &state, nil, 0) == 0 else { throw .last("read the guest's state") }
        let power = PowerState(libvirtState: state)
        // To libvirt a guest whose memory is on disk is off.
        return power == .shutdown && hasSavedMemory ? .suspended : power
    }

    /// Whether its system has ended while its process is still there: it can be neither stopped by a button nor
    /// started yet, and is off a moment later.
    func isGoingDown() throws(LibvirtFailure) -> Bool {
        var state: Int32 = 0
        guard virDomainGetState(pointer, &state, nil, 0) == 0 else { throw .last("read the guest's state") }
        return virDomainState(rawValue: UInt32(bitPattern: state)) == VIR_DOMAIN_SHUTDOWN
    }

    /// Our element in the domain's metadata; `nil` when it has none, so is not ours.
    func metadata() throws(LibvirtFailure) -> String? {
        guard
            let text = virDomainGetMetadata(
                pointer, Int32(VIR_DOMAIN_METADATA_ELEMENT.rawValue), GuestMetadata.namespace,
                UInt32(VIR_DOMAIN_AFFECT_CURRENT.rawValue))
        else {
            let failure = LibvirtFailure.last("read the guest's metadata")
            if failure.hasCode(VIR_ERR_NO_DOMAIN_METADATA) { return nil }
            throw failure
        }
        defer { free(text) }
        return String(cString: text)
    }

    /// Starts it. Succeeds when it runs already, also when it is just going down: see ``isGoingDown()``.
    func start() throws(LibvirtFailure) {
        guard virDomainCreate(pointer) != 0 else { return }
        let failure = LibvirtFailure.last("start the guest")
        if virDomainIsActive(pointer) == 1 { return }
        throw failure
    }

    /// Lets a paused one go on.
    func resume() throws(LibvirtFailure) {
        guard virDomainResume(pointer) == 0 else { throw .last("resume the guest") }
    }

    /// Pulls the plug. Succeeds when it does not run.
    func stop() throws(LibvirtFailure) {
        guard virDomainDestroy(pointer) != 0 else { return }
        let failure = LibvirtFailure.last("stop the guest")
        if failure.hasCode(VIR_ERR_OPERATION_INVALID, VIR_ERR_NO_DOMAIN), virDomainIsActive(pointer) != 1 { return }
        throw failure
    }

    /// Presses the power button once. Succeeds when it does not run any more.
    func pressPowerButton() throws(LibvirtFailure) {
        let flags = UInt32(VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN.rawValue)
        guard virDomainShutdownFlags(pointer, flags) != 0 else { return }
        let failure = LibvirtFailure.last("press the guest's power button")
        if failure.hasCode(VIR_ERR_OPERATION_INVALID) { return }
        throw failure
    }

    /// Forgets the definition and what libvirt keeps beside it. Succeeds when it is forgotten already.
    ///
    /// - Parameter keepingFirmware: whether the firmware's variables stay, because the guest goes on elsewhere.
    func undefine(keepingFirmware: Bool = false) throws(LibvirtFailure) {
        let firmware = keepingFirmware ? VIR_DOMAIN_UNDEFINE_KEEP_NVRAM : VIR_DOMAIN_UNDEFINE_NVRAM
        let flags =
            VIR_DOMAIN_UNDEFINE_MANAGED_SAVE.rawValue | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA.rawValue
            | firmware.rawValue | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA.rawValue
        if virDomainUndefineFlags(pointer, UInt32(flags)) == 0 { return }
        var failure = LibvirtFailure.last("undefine the guest")
        if failure.isNoDomain { return }
        // libvirt's test driver knows none of the flags.
        if failure.hasCode(VIR_ERR_INVALID_ARG, VIR_ERR_NO_SUPPORT, VIR_ERR_ARGUMENT_UNSUPPORTED) {
            if virDomainUndefine(pointer) == 0 { return }
            failure = .last("undefine the guest")
        }
        throw failure
    }
}

extension LibvirtConnection {
    /// The domain of that identifier; `nil` when there is none.
    func domain(_ guest: GuestID) throws(LibvirtFailure) -> LibvirtDomain? {
        if let pointer = virDomainLookupByUUIDString(pointer, guest.description) {
            return LibvirtDomain(owning: pointer)
        }
        let failure = LibvirtFailure.last("look up the guest \(guest)")
        if failure.isNoDomain { return nil }
        throw failure
    }

    /// Makes libvirt keep a definition, replacing an earlier one of the same identifier.
    @discardableResult
    func define(_ xml: String) throws(LibvirtFailure) -> LibvirtDomain {
        guard let pointer = virDomainDefineXML(pointer, xml) else { throw .last("define the guest") }
        return LibvirtDomain(owning: pointer)
    }

    /// Runs `body` for every domain, running or not.
    func eachDomain(_ body: (borrowing LibvirtDomain) throws(LibvirtFailure) -> Void) throws(LibvirtFailure) {
        var list: UnsafeMutablePointer<virDomainPtr?>?
        let count = virConnectListAllDomains(pointer, &list, 0)
        guard count >= 0, let list else { throw .last("list the guests") }
        defer { free(list) }
        var failure: LibvirtFailure?
        for index in 0..<Int(count) {
            guard let pointer = list[index] else { continue }
            let domain = LibvirtDomain(owning: pointer)
            guard failure == nil else { continue }
            do throws(LibvirtFailure) {
                try body(domain)
            } catch where error.isNoDomain {
                continue  // removed meanwhile
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
}

extension PowerState {
    /// Nova's reading of virDomainState, but for a guest that is going down: its process is still there and holds its
    /// disks, so it runs. Nova takes it for off, and a start then finds it running and does nothing.
    init(libvirtState: Int32) {
        self =
            switch virDomainState(rawValue: UInt32(bitPattern: libvirtState)) {
            case VIR_DOMAIN_RUNNING, VIR_DOMAIN_BLOCKED, VIR_DOMAIN_SHUTDOWN: .running
            case VIR_DOMAIN_PAUSED: .paused
            case VIR_DOMAIN_SHUTOFF: .shutdown
            case VIR_DOMAIN_CRASHED: .crashed
            case VIR_DOMAIN_PMSUSPENDED: .suspended
            default: .noState
            }
    }

    /// What a life-cycle event (virDomainEventType and its detail) says of the power state; `nil` for nothing.
    static func after(libvirtEvent event: Int32, detail: Int32) -> PowerState? {
        switch virDomainEventType(rawValue: UInt32(bitPattern: event)) {
        case VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_RESUMED: .running
        case VIR_DOMAIN_EVENT_SUSPENDED: .paused
        case VIR_DOMAIN_EVENT_STOPPED:
            switch virDomainEventStoppedDetailType(rawValue: UInt32(bitPattern: detail)) {
            case VIR_DOMAIN_EVENT_STOPPED_CRASHED: .crashed
            case VIR_DOMAIN_EVENT_STOPPED_SAVED: .suspended
            // It runs on, elsewhere.
            case VIR_DOMAIN_EVENT_STOPPED_MIGRATED: nil
            default: .shutdown
            }
        case VIR_DOMAIN_EVENT_PMSUSPENDED: .suspended
        case VIR_DOMAIN_EVENT_CRASHED: .crashed
        default: nil
        }
    }
}

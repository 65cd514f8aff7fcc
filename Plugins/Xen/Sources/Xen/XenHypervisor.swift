import CXen
import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// A domain as Xen lists it.
struct XenDomain: Hashable, Sendable {
    /// Xen's number, another at each start.
    var number: UInt32
    var uuid: UUIDValue
    var power: PowerState
    /// Why it went down; `nil` while it is up.
    var shutdown: Shutdown?
    /// Whether it is being removed.
    var isDying: Bool
    var memoryKiB: UInt64
    var cpuNanoseconds: UInt64

    /// Why a domain went down.
    enum Shutdown: Hashable, Sendable {
        case powerOff
        case reboot
        case suspend
        case crash
    }

    /// The power state and the reason, from what Xen says.
    static func state(reason: Int32, paused: Bool, dying: Bool) -> (PowerState, Shutdown?) {
        switch reason {
        case LIBXL_SHUTDOWN_REASON_REBOOT.rawValue, LIBXL_SHUTDOWN_REASON_SOFT_RESET.rawValue: (.shutdown, .reboot)
        case LIBXL_SHUTDOWN_REASON_SUSPEND.rawValue: (.running, .suspend)
        case LIBXL_SHUTDOWN_REASON_CRASH.rawValue, LIBXL_SHUTDOWN_REASON_WATCHDOG.rawValue: (.crashed, .crash)
        case LIBXL_SHUTDOWN_REASON_POWEROFF.rawValue: (.shutdown, .powerOff)
        default: dying ? (.shutdown, .powerOff) : (paused ? .paused : .running, nil)
        }
    }
}

/// What Xen says of its host.
struct XenHost: Hashable, Sendable {
    var major: Int
    var minor: Int
    var extra: String
    var cpus: Int
    var coresPerSocket: Int
    var threadsPerCore: Int
    var memoryMiB: Int
    var freeMemoryMiB: Int
    /// Whether hardware virtualization is there: PVH and HVM guests.
    var runsHardwareGuests: Bool
    /// Whether paravirtual guests can run.
    var runsParavirtualGuests: Bool
}

/// Xen through libxl. Every call blocks and belongs on a ``BlockingThreads``.
///
/// `@unchecked Sendable`: a context of libxl may be used by many threads at once; it locks by itself.
final class XenHypervisor: @unchecked Sendable {
    private let context: OpaquePointer
    private let words: XenWords

    /// Opens Xen.
    ///
    /// - Throws: ``DriverError/unreachable(_:)`` where no Xen runs below this system or its store is not up.
    init(log: @escaping @Sendable (String) -> Void) throws(DriverError) {
        words = XenWords(log: log)
        var opened: OpaquePointer?
        // Libraries below libxl may log for as long as the process lives, so what they log to lives as long.
        let opaque = Unmanaged.passRetained(words).toOpaque()
        let status = kn_xen_open(
            &opened,
            { opaque, level, text in
                guard let opaque, let text else { return }
                Unmanaged<XenWords>.fromOpaque(opaque).takeUnretainedValue().take(level, String(cString: text))
            }, opaque)
        guard status == 0, let opened else {
            let said = words.own().joined(separator: "; ")
            throw .unreachable(Self.noXen(said: said))
        }
        context = opened
    }

    static func noXen(said: String) -> String {
        "no Xen can be used here (\(said.isEmpty ? "libxl gives no reason" : said)); this driver runs as root in the "
            + "control domain of a host that was booted with Xen, with xenstored and xenconsoled running"
    }

    deinit { libxl_ctx_free(context) }

    private func check(_ status: Int32, _ call: String) throws(XenFailure) {
        let said = words.own()
        guard status == 0 else { throw XenFailure(call: call, status: status, words: said) }
    }

    // MARK: Looking

    /// All domains but the control domain.
    func domains() throws(XenFailure) -> [XenDomain] {
        var count: Int32 = 0
        guard let list = libxl_list_domain(context, &count) else {
            try check(ERROR_FAIL.rawValue, "list its domains")
            return []
        }
        defer { libxl_dominfo_list_free(list, count) }
        return (0..<Int(count)).compactMap { index in
            let found = list + index
            guard found.pointee.domid != 0 else { return nil }
            let (power, shutdown) = XenDomain.state(
                reason: kn_xen_reason(found), paused: found.pointee.paused, dying: found.pointee.dying)
            guard let raw = kn_xen_uuid(found) else { return nil }
            guard let uuid = XenGuest.uuid(UnsafeBufferPointer(start: raw, count: 16)) else { return nil }
            return XenDomain(
                number: found.pointee.domid, uuid: uuid, power: power, shutdown: shutdown,
                isDying: found.pointee.dying, memoryKiB: found.pointee.current_memkb,
                cpuNanoseconds: found.pointee.cpu_time)
        }
    }

    /// The domain that is or was last a guest: one that is being removed counts only when there is no other.
    func domain(_ guest: GuestID) throws(XenFailure) -> XenDomain? {
        let all = try domains().filter { $0.uuid == guest.uuid }
        return all.first { !$0.isDying } ?? all.first
    }

    /// A domain's name.
    func name(of domain: UInt32) -> String? {
        guard let text = libxl_domid_to_name(context, domain) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    /// What the host has.
    func host() throws(XenFailure) -> XenHost {
        guard let version = libxl_get_version_info(context) else {
            try check(ERROR_FAIL.rawValue, "tell its version")
            throw XenFailure(call: "tell its version", status: ERROR_FAIL.rawValue, words: [])
        }
        var facts = libxl_physinfo()
        libxl_physinfo_init(&facts)
        defer { libxl_physinfo_dispose(&facts) }
        try check(libxl_get_physinfo(context, &facts), "tell what the host has")
        let page = UInt64(version.pointee.pagesize)
        return XenHost(
            major: Int(version.pointee.xen_version_major), minor: Int(version.pointee.xen_version_minor),
            extra: version.pointee.xen_version_extra.map { String(cString: $0) } ?? "", cpus: Int(facts.nr_cpus),
            coresPerSocket: Int(facts.cores_per_socket), threadsPerCore: Int(facts.threads_per_core),
            memoryMiB: Int((facts.total_pages * page) >> 20), freeMemoryMiB: Int((facts.free_pages * page) >> 20),
            runsHardwareGuests: facts.cap_hvm, runsParavirtualGuests: facts.cap_pv)
    }

    /// Memory of the control domain in MiB.
    func controlDomainMemoryMiB() throws(XenFailure) -> Int {
        var found = libxl_dominfo()
        libxl_dominfo_init(&found)
        defer { libxl_dominfo_dispose(&found) }
        try check(libxl_domain_info(context, &found, 0), "look at the control domain")
        return Int(found.current_memkb >> 10)
    }

    /// Processor time in nanoseconds of each virtual processor.
    func processorTimes(of domain: UInt32) -> [UInt64] {
        var (count, most): (Int32, Int32) = (0, 0)
        guard let list = libxl_list_vcpu(context, domain, &count, &most) else { return [] }
        defer { libxl_vcpuinfo_list_free(list, count) }
        return (0..<Int(count)).map { list[$0].vcpu_time }
    }

    /// Memory in MiB that a guest needs beside what it sees.
    func neededMiB(for guest: XenGuest) throws(XenFailure) -> Int {
        let config = guest.makeConfig()
        defer { kn_xen_config_free(config) }
        var needed: UInt64 = 0
        try check(libxl_domain_need_memory(context, config, UInt32.max, &needed), "tell how much memory a guest needs")
        return Int(needed >> 10) + 1
    }

    // MARK: Changing

    /// Makes a guest and lets it run. If it throws, no domain of it remains.
    func create(_ guest: XenGuest) throws(XenFailure) {
        try start(guest, "make the guest") { context, config, number in kn_xen_create(context, config, &number) }
    }

    /// Makes a guest from its saved memory and lets it run. If it throws, no domain of it remains.
    func restore(_ guest: XenGuest, from path: String) throws(XenFailure) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw XenFailure(call: "open \(path)", status: ERROR_FAIL.rawValue, words: [systemErrorText(errno)])
        }
        defer { close(file) }
        try start(guest, "bring the guest back from its saved memory") { context, config, number in
            kn_xen_restore(context, config, file, &number)
        }
    }

    private func start(
        _ guest: XenGuest, _ what: String,
        _ make: (OpaquePointer, UnsafeMutablePointer<libxl_domain_config>, inout UInt32) -> Int32
    ) throws(XenFailure) {
        let config = guest.makeConfig()
        defer { kn_xen_config_free(config) }
        var number: UInt32 = 0
        let status = make(context, config, &number)
        let said = words.own()
        guard status == 0 else {
            if number != UInt32.max { _ = kn_xen_destroy(context, number) }
            _ = words.own()
            throw XenFailure(call: what, status: status, words: said)
        }
        let unpaused = kn_xen_unpause(context, number)
        guard unpaused == 0 else {
            let why = words.own()
            _ = kn_xen_destroy(context, number)
            throw XenFailure(call: "let the guest run", status: unpaused, words: why)
        }
    }

    /// Removes a domain; succeeds when it is gone.
    func destroy(_ domain: XenDomain) throws(XenFailure) {
        let status = kn_xen_destroy(context, domain.number)
        let said = words.own()
        guard status != 0, try domains().contains(where: { $0.number == domain.number && !$0.isDying }) else { return }
        throw XenFailure(call: "remove the guest's domain", status: status, words: said)
    }

    /// Freezes a domain.
    func pause(_ domain: XenDomain) throws(XenFailure) {
        try check(kn_xen_pause(context, domain.number), "pause the guest")
    }

    /// Lets a frozen domain go on.
    func unpause(_ domain: XenDomain) throws(XenFailure) {
        try check(kn_xen_unpause(context, domain.number), "unpause the guest")
    }

    /// Asks the guest's operating system to go down.
    func askDown(_ domain: XenDomain) throws(XenFailure) {
        try check(kn_xen_ask_down(context, domain.number), "ask the guest to go down")
    }

    /// Interrupts the guest, not maskably.
    func interrupt(_ domain: XenDomain) throws(XenFailure) {
        try check(kn_xen_interrupt(context, domain.number), "interrupt the guest")
    }

    /// Writes a guest's memory to a new file; afterwards the domain waits to be removed. If it throws, the guest runs
    /// on and there is no file.
    func save(_ domain: XenDomain, to path: String) throws(XenFailure) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw XenFailure(call: "write \(path)", status: ERROR_FAIL.rawValue, words: [systemErrorText(errno)])
        }
        let status = kn_xen_save(context, domain.number, file)
        fsync(file)
        close(file)
        let said = words.own()
        guard status != 0 else { return }
        unlink(path)
        throw XenFailure(call: "save the guest's memory", status: status, words: said)
    }
}

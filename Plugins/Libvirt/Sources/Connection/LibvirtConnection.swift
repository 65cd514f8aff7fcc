import CLibvirt
import ComputeModel
import DriverSupport
import Glibc

/// One connection to a libvirt daemon. Every method blocks: call them on a thread of ``BlockingThreads``.
///
/// `@unchecked Sendable`: libvirt documents a connection as safe to use from several threads; the pointer is set
/// once and released with the last reference.
final class LibvirtConnection: @unchecked Sendable {
    /// libvirt's object.
    let pointer: OpaquePointer
    private let uri: String

    /// What the event loop tells about a connection. Called on the event loop's thread; must not block.
    struct Watch: Sendable {
        /// A domain went through a life-cycle step: libvirt's event and detail numbers.
        var lifeCycle: @Sendable (GuestID, _ event: Int32, _ detail: Int32) -> Void
        /// The connection ended, and why.
        var closed: @Sendable (String) -> Void
    }

    /// Connects.
    ///
    /// - Parameter uri: libvirt's form, `qemu:///system`.
    init(uri: String) throws(LibvirtFailure) {
        _ = LibvirtEventLoop.started
        guard let pointer = virConnectOpen(uri) else { throw .last("connect to libvirt at \(uri)") }
        self.pointer = pointer
        self.uri = uri
        // Refused by drivers without a daemon behind them, which need none: five seconds, three times.
        _ = virConnectSetKeepAlive(pointer, 5, 3)
    }

    // On a thread of its own: closing waits for the daemon, and the last reference may go away anywhere.
    deinit {
        let address = UInt(bitPattern: pointer)
        startDetachedThread { virConnectClose(OpaquePointer(bitPattern: address)) }
    }

    /// Whether the daemon still answers.
    var isAlive: Bool { virConnectIsAlive(pointer) == 1 }

    // What the callbacks get through their opaque pointer.
    private final class Watcher: Sendable {
        let watch: Watch
        init(_ watch: Watch) { self.watch = watch }
        static func release(_ opaque: UnsafeMutableRawPointer?) {
            guard let opaque else { return }
            Unmanaged<Watcher>.fromOpaque(opaque).release()
        }
        static func from(_ opaque: UnsafeMutableRawPointer?) -> Watcher? {
            opaque.map { Unmanaged<Watcher>.fromOpaque($0).takeUnretainedValue() }
        }
    }

    /// Begins to deliver events; returns what ends it.
    func begin(_ watch: Watch) throws(LibvirtFailure) -> @Sendable (LibvirtConnection) -> Void {
        let watcher = Watcher(watch)
        // Drivers without a daemon have no connection that could end.
        let hasCloseCallback =
            virConnectRegisterCloseCallback(
                pointer, Self.closeCallback, Unmanaged.passRetained(watcher).toOpaque(), { Watcher.release($0) }) == 0
        if !hasCloseCallback { Watcher.release(Unmanaged.passUnretained(watcher).toOpaque()) }
        let events = kn_lifecycle_register(
            pointer, Self.lifeCycleCallback, Unmanaged.passRetained(watcher).toOpaque(), { Watcher.release($0) })
        guard events >= 0 else {
            let failure = LibvirtFailure.last("register for life-cycle events at \(uri)")
            Watcher.release(Unmanaged.passUnretained(watcher).toOpaque())
            if hasCloseCallback { virConnectUnregisterCloseCallback(pointer, Self.closeCallback) }
            throw failure
        }
        return { connection in
            virConnectDomainEventDeregisterAny(connection.pointer, events)
            if hasCloseCallback { virConnectUnregisterCloseCallback(connection.pointer, Self.closeCallback) }
        }
    }

    private static let closeCallback: virConnectCloseFunc = { _, reason, opaque in
        let names = ["error", "end of file", "keep-alive time-out", "closed here"]
        let name = names.indices.contains(Int(reason)) ? names[Int(reason)] : "reason \(reason)"
        Watcher.from(opaque)?.watch.closed("the connection to libvirt ended: \(name)")
    }

    private static let lifeCycleCallback: virConnectDomainEventCallback = { _, domain, event, detail, opaque in
        guard let domain, let id = LibvirtDomain.identifier(of: domain) else { return 0 }
        Watcher.from(opaque)?.watch.lifeCycle(id, event, detail)
        return 0
    }
}

extension LibvirtConnection {
    /// The daemon's text for `body`'s result, which libvirt allocates and this frees.
    private func string(
        _ call: String, _ body: (OpaquePointer) -> UnsafeMutablePointer<CChar>?
    ) throws(LibvirtFailure) -> String {
        guard let text = body(pointer) else { throw .last(call) }
        defer { free(text) }
        return String(cString: text)
    }

    /// Capabilities of the host, as libvirt's XML.
    func capabilities() throws(LibvirtFailure) -> String {
        try string("read the host's capabilities") { virConnectGetCapabilities($0) }
    }

    /// What guests of that kind can have, as libvirt's XML.
    func domainCapabilities(arch: String, machine: String?, virtType: String) throws(LibvirtFailure) -> String {
        try string("read what \(virtType) guests can have") {
            virConnectGetDomainCapabilities($0, nil, arch, machine, virtType, 0)
        }
    }

    /// The processor description `cpu` with every feature that it brings spelled out.
    func expandedCPU(_ cpu: String, arch: String, machine: String?, virtType: String) throws(LibvirtFailure) -> String {
        try string("expand the processor model") { connection in
            cpu.withCString { text in
                var texts: [UnsafePointer<CChar>?] = [text]
                let flags = UInt32(VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES.rawValue)
                return virConnectBaselineHypervisorCPU(
                    connection, nil, arch, machine, virtType, &texts, 1, flags)
            }
        }
    }

    /// The host's name as libvirt knows it.
    func hostname() throws(LibvirtFailure) -> String {
        try string("read the host's name") { virConnectGetHostname($0) }
    }

    /// The name of libvirt's driver: `QEMU`, `Test`.
    func driverName() throws(LibvirtFailure) -> String {
        guard let name = virConnectGetType(pointer) else { throw .last("read the hypervisor's type") }
        return String(cString: name)
    }

    /// Version of the hypervisor: major × 1 000 000 + minor × 1 000 + release.
    func hypervisorVersion() throws(LibvirtFailure) -> Int {
        var version: UInt = 0
        guard virConnectGetVersion(pointer, &version) == 0 else { throw .last("read the hypervisor's version") }
        return Int(version)
    }

    /// Version of the daemon's libvirt, in the same form.
    func libraryVersion() throws(LibvirtFailure) -> Int {
        var version: UInt = 0
        guard virConnectGetLibVersion(pointer, &version) == 0 else { throw .last("read libvirt's version") }
        return Int(version)
    }

    /// Processors and memory of the host.
    func node() throws(LibvirtFailure) -> (cpus: Int, memoryMiB: Int) {
        var info = virNodeInfo()
        guard virNodeGetInfo(pointer, &info) == 0 else { throw .last("read the host's size") }
        return (Int(info.cpus), Int(info.memory / 1024))
    }
}

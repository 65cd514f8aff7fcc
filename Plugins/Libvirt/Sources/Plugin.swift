public import CDriverABI
import DriverAPI

private let driverName: StaticString = "libvirt"
private let driverVersion: StaticString = "0.1.0"

/// The door of this library: its descriptor, with a factory of ``LibvirtDriver``s.
@c(kilonova_driver_plugin_v1)
public func kilonovaDriverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    // Static strings: the descriptor keeps the pointers, and a String passed to C lives only as long as the call.
    UnsafePointer(
        kn_describe_driver(text(driverName), text(driverVersion)) { makeLibvirtFactory().retainedForEntry() })
}

private func text(_ literal: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The factory that the host sees: option group `libvirt`, as in nova.conf.
func makeLibvirtFactory() -> DriverFactory {
    DriverFactory(optionGroup: "libvirt", options: LibvirtOptions.declared) {
        configuration, host async throws(DriverError) in
        try await LibvirtDriver.start(LibvirtOptions(configuration, stateDirectory: host.stateDirectory), host: host)
    }
}

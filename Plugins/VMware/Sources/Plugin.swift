public import CDriverABI
import DriverAPI

private let driverName: StaticString = "vmware"
private let driverVersion: StaticString = "0.1.0"

/// The door of this library: its descriptor, with a factory of ``VMwareDriver``s.
@c(kilonova_driver_plugin_v1)
public func kilonovaDriverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    // Static strings: the descriptor keeps the pointers, and a String passed to C lives only as long as the call.
    UnsafePointer(kn_describe_driver(text(driverName), text(driverVersion)) { makeVMwareFactory().retainedForEntry() })
}

private func text(_ literal: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The factory that the host sees: option group `vmware`, as in nova.conf.
func makeVMwareFactory() -> DriverFactory {
    DriverFactory(optionGroup: "vmware", options: VMwareOptions.declared) {
        configuration, host async throws(DriverError) in
        try await VMwareDriver.start(try VMwareOptions(configuration), host: host)
    }
}

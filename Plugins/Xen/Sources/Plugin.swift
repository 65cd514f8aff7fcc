public import CDriverABI
import DriverAPI

private let driverName: StaticString = "xen"
private let driverVersion: StaticString = "0.1.0"

/// The door of this library: its descriptor, with a factory of ``XenDriver``s.
@c(kilonova_driver_plugin_v1)
public func kilonovaDriverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    UnsafePointer(kn_describe_driver(text(driverName), text(driverVersion)) { makeXenFactory().retainedForEntry() })
}

private func text(_ literal: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The factory that the host sees.
func makeXenFactory() -> DriverFactory {
    DriverFactory(optionGroup: "xen", options: XenOptions.declared) { configuration, host async throws(DriverError) in
        try await XenDriver.start(XenOptions(configuration, stateDirectory: host.stateDirectory), host: host)
    }
}

public import CDriverABI
import DriverAPI

/// The door through which the host enters this library.
@c(kilonova_driver_plugin_v1)
public func driverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    kn_describe_driver("xenapi", "0.1.0") { makeXenAPIFactory().retainedForEntry() }
}

/// The factory that the host sees: option group `xenserver`, as in nova.conf.
func makeXenAPIFactory() -> DriverFactory {
    DriverFactory(optionGroup: "xenserver", options: XenAPIOptions.declared) {
        configuration, host async throws(DriverError) in
        try await XenAPIDriver.start(try XenAPIOptions(configuration), host: host)
    }
}

public import CDriverABI
import DriverAPI

/// The door through which the host enters this library.
@c(kilonova_driver_plugin_v1)
public func driverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    kn_describe_driver("fake", "0.1.0") {
        DriverFactory(optionGroup: "fake", options: FakeOptions.declared) {
            configuration, host throws(DriverError) in
            try FakeDriver(options: FakeOptions(configuration), host: host)
        }.retainedForEntry()
    }
}

public import CDriverABI
import DriverAPI

/// The door through which the host enters this library.
@c(kilonova_driver_plugin_v1)
public func driverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    kn_describe_driver("paper", "0.1.0") {
        DriverFactory(optionGroup: "paper", options: PaperDriver.options) {
            configuration, host throws(DriverError) in PaperDriver(configuration, host)
        }.retainedForEntry()
    }
}

public import CDriverABI
import DriverAPI

/// The door through which the host enters this library.
@c(kilonova_driver_plugin_v1)
public func driverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    kn_describe_driver("fake", "0.2.0") { FakeNode.factory.retainedForEntry() }
}

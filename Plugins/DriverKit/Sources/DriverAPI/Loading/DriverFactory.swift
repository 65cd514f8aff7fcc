/// What a driver library hands to its host: the options it declares and a way to make a driver.
///
/// A class, because its identity proves that host and library share one copy of DriverKit.
public final class DriverFactory: Sendable {
    /// Makes and starts a driver: connects, checks the hypervisor's version, begins its streams.
    public typealias Make =
        @Sendable (DriverConfiguration, any DriverHost) async throws(DriverError) -> any ComputeDriver

    /// The configuration group that holds the driver's options, usually its name.
    public let optionGroup: String
    /// The options that the driver reads.
    public let options: [DriverOption]
    private let make: Make

    /// A factory.
    public init(optionGroup: String, options: [DriverOption], make: @escaping Make) {
        self.optionGroup = optionGroup
        self.options = options
        self.make = make
    }

    /// Makes and starts a driver. If it throws, nothing of it remains.
    public func makeDriver(_ configuration: DriverConfiguration, host: any DriverHost) async throws(DriverError)
        -> any ComputeDriver
    {
        try await make(configuration, host)
    }
}

/// Names of the C door through which a driver library is entered.
public enum DriverEntry {
    /// The symbol that a driver library exports: a C function without parameters that returns its descriptor.
    ///
    /// ```swift
    /// @c(kilonova_driver_plugin_v1)
    /// public func driverPlugin() -> UnsafePointer<kn_driver_descriptor> {
    ///     kn_describe_driver("example", "1.0") { DriverFactory(…).retainedForEntry() }
    /// }
    /// ```
    public static let symbol = "kilonova_driver_plugin_v1"
}

extension DriverFactory {
    /// The form in which an entry point hands the factory over: a retained pointer.
    public func retainedForEntry() -> UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }
}

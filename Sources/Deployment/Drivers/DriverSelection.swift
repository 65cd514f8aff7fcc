package import ComputeAgent
package import DriverAPI
package import ServiceOptions

/// Finds, loads and configures the driver that a node's configuration names.
package struct DriverSelection: Sendable {
    package let catalog: DriverCatalog
    private let loader: DriverLoader

    /// - Parameter directory: `driver_plugin_dir`; the default places when `nil`.
    package init(directory: String?) {
        catalog = DriverCatalog(directories: directory.map { [$0] } ?? DriverLoader.defaultDirectories())
        loader = DriverLoader()
    }

    /// Loads the driver that a value of `compute_driver` selects, and reads its options.
    ///
    /// - Throws: ``DeploymentError`` with the refusal.
    package func select(_ name: String, _ source: ConfigurationSource) throws(DeploymentError) -> SelectedDriver {
        do {
            let loaded = try loader.load(try catalog.entry(selectedBy: name))
            return SelectedDriver(loaded: loaded, configuration: try Self.configuration(loaded, source))
        } catch let refusal as DriverRefusal {
            throw DeploymentError(.configuration, "\(refusal)")
        } catch {
            throw DeploymentError(.configuration, "\(error)")
        }
    }

    /// Loads a driver of the catalog only to learn of it.
    package func load(_ entry: DriverCatalog.Entry) throws(DriverRefusal) -> DriverLoader.Loaded {
        try loader.load(entry)
    }

    /// The options of a driver as a group of the configuration.
    package static func schema(_ factory: DriverFactory, driver: String) -> GroupSchema {
        GroupSchema(
            name: factory.optionGroup, help: "Options of the driver \(driver).",
            options: factory.options.map { option in
                DeclaredOption(
                    name: option.name, type: type(option.kind), defaultText: option.defaultValue, help: option.help,
                    isSecret: option.kind == .secret)
            })
    }

    private static func type(_ kind: DriverOption.Kind) -> OptionType {
        switch kind {
        case .string, .secret: .string
        case .integer(let min, let max): .integer(min: min, max: max)
        case .number(let min, let max): .double(min: min, max: max)
        case .boolean: .bool
        case .list: .list
        case .seconds: .duration(min: .zero, max: nil)
        case .choice(let words): .choice(words)
        }
    }

    private static func configuration(_ loaded: DriverLoader.Loaded, _ source: ConfigurationSource)
        throws(ConfigurationErrors) -> DriverConfiguration
    {
        let read = try source.values(of: schema(loaded.factory, driver: loaded.manifest.name))
        return DriverConfiguration(read.values.mapValues(text))
    }

    /// A checked value in the file's syntax again, which is how drivers take it.
    private static func text(_ value: OptionDatum) -> String {
        switch value {
        case .string(let text): return text
        case .integer(let number): return String(number)
        case .double(let number): return String(number)
        case .bool(let value): return value ? "true" : "false"
        case .list(let items): return items.joined(separator: ",")
        case .duration(let duration):
            let (seconds, attoseconds) = duration.components
            return String(Double(seconds) + Double(attoseconds) / 1e18)
        case .byteSize(let size): return size.description
        }
    }
}

/// A driver that was loaded, with its checked options.
package struct SelectedDriver: Sendable {
    package let loaded: DriverLoader.Loaded
    package let configuration: DriverConfiguration
}

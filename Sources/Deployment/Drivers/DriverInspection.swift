package import ComputeAgent
import ComputeModel
package import DriverAPI
import DriverConformance
import DriverHTTP
import FoundationEssentials
package import ServiceOptions

/// A driver that an operator or its author looks at, apart from any deployment: it works in a folder of its own that
/// goes with it.
package final class DriverInspection: Sendable {
    /// The driver, loaded, with its checked options.
    package let selected: SelectedDriver
    private let folder: String
    private let http = DriverHTTPClient()

    /// Loads the driver that a name selects and reads its options.
    ///
    /// - Throws: ``DeploymentError`` with the refusal.
    package init(_ name: String, _ source: ConfigurationSource) throws(DeploymentError) {
        let options: KilonovaOptions
        do {
            options = try KilonovaOptions(source)
        } catch {
            throw DeploymentError(.configuration, "\(error)")
        }
        selected = try DriverSelection(directory: options.compute.pluginDirectory).select(name, source)
        limit = options.driverCalls.start
        folder = FileManager.default.temporaryDirectory.path + "/kilonova-driver-" + UUIDValue.random().compact
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw DeploymentError(.unavailable, "the folder \(folder) cannot be made: \(error)")
        }
    }

    /// Loads the driver that a name selects, whatever the values of its options.
    ///
    /// - Throws: ``DeploymentError`` with the refusal.
    package static func load(_ name: String, _ source: ConfigurationSource) throws(DeploymentError)
        -> DriverLoader.Loaded
    {
        do {
            let selection = DriverSelection(directory: try KilonovaOptions(source).compute.pluginDirectory)
            return try selection.load(try selection.catalog.entry(selectedBy: name))
        } catch {
            throw DeploymentError(.configuration, "\(error)")
        }
    }

    /// How long the driver may take to start (`[compute] driver_start_timeout`).
    private let limit: Duration

    private var name: String { selected.loaded.manifest.name }

    /// Starts the driver, lets `body` look at it, and ends it.
    ///
    /// - Throws: ``DeploymentError`` when it does not start, and what `body` throws.
    package func withDriver<Value>(
        _ body: (any ComputeDriver) async throws(DeploymentError) -> Value
    ) async throws(DeploymentError) -> Value {
        let host = ScratchHost(stateDirectory: folder, nodeName: HostFacts.name) {
            [http] request throws(DriverError) in try await http.exchange(request)
        }
        let driver: any ComputeDriver
        do {
            driver = try await DriverStart.start(
                selected.loaded.factory, selected.configuration, host: host, within: limit)
        } catch {
            await end()
            throw DeploymentError(.unavailable, "the driver '\(name)' cannot start: \(error.message)")
        }
        let result: Result<Value, DeploymentError>
        do throws(DeploymentError) { result = .success(try await body(driver)) } catch { result = .failure(error) }
        await DriverStart.shutDown(driver)
        await end()
        return try result.get()
    }

    /// What an agent would see of the driver.
    package func findings(_ driver: any ComputeDriver) async throws(DeploymentError) -> DriverProbe.Findings {
        do {
            return try await DriverProbe(driver, name: name, within: limit).examine()
        } catch {
            throw DeploymentError(.unavailable, "the driver '\(name)' does not answer: \(error.message)")
        }
    }

    private func end() async {
        await http.shutDown()
        try? FileManager.default.removeItem(atPath: folder)
    }
}

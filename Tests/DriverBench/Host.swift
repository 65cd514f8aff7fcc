import ComputeAgent
import DriverAPI
import DriverConformance
import DriverHTTP
import Foundation

/// A host for measured drivers: HTTP as the compute agent lends it, counted, and a folder that goes away.
final class BenchHost: Sendable {
    let directory: String
    private let http = DriverHTTPClient()
    private let exchanges = Locked(0)

    init() throws {
        directory = NSTemporaryDirectory() + "/kilonova-driver-bench-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// How many HTTP exchanges were begun.
    var exchangesBegun: Int { exchanges.with { $0 } }

    /// The host as a driver sees it.
    func scratch() -> ScratchHost {
        let (http, exchanges) = (http, exchanges)
        return ScratchHost(stateDirectory: directory + "/state") { request async throws(DriverError) in
            exchanges.with { $0 += 1 }
            return try await http.exchange(request)
        }
    }

    func end() async {
        await http.shutDown()
        try? FileManager.default.removeItem(atPath: directory)
    }
}

/// Drivers by name, as `kilonovad` finds and opens them.
func loadedFactory(_ name: String) throws -> DriverFactory {
    let catalog = DriverCatalog(directories: DriverLoader.defaultDirectories())
    return try DriverLoader().load(try catalog.entry(selectedBy: name)).factory
}

extension DriverFactory {
    /// The defaults of all options, with changes.
    func configuration(_ changes: [String: String]) -> DriverConfiguration {
        let defaults = options.compactMap { option in option.defaultValue.map { (option.name, $0) } }
        return DriverConfiguration(Dictionary(uniqueKeysWithValues: defaults).merging(changes) { $1 })
    }
}

/// What the kernel counts of this process.
enum Usage {
    /// Processor time so far, in seconds.
    static var processorSeconds: Double {
        var used = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
        return Double(used.tv_sec) + Double(used.tv_nsec) / 1e9
    }

    /// A line of `/proc/self/status`, in MiB: `VmRSS`, `VmHWM`.
    static func memoryMiB(_ name: String) throws -> Double {
        let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
            return (Double(line.filter(\.isNumber)) ?? .nan) / 1024
        }
        return .nan
    }
}

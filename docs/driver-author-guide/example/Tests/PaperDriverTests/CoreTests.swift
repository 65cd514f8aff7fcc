import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import PaperDriver

@Suite struct CoreTests {
    @Test func theDriverPassesTheCore() async throws {
        let report = await DriverSuite(try Subject(), SuiteOptions(patterns: ["core.*"])).run()
        #expect(report.isPassed, "\(report.table())")
    }
}

/// The driver on a hypervisor of its own: here, a folder.
final class Subject: ConformanceSubject {
    let name = "paper"
    let host: ScratchHost
    let images: ConformanceImages
    let limits = ConformanceLimits()
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "paper-" + UUIDValue.random().compact
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let image = folder + "/image.raw"
        try Data(count: 1 << 16).write(to: URL(filePath: image))
        host = ScratchHost(stateDirectory: folder + "/state")
        images = ConformanceImages(boot: host.offer(image: image))
    }

    func start() async throws(DriverError) -> any ComputeDriver {
        var values: [String: String] = [:]
        for option in PaperDriver.options { values[option.name] = option.defaultValue }
        return PaperDriver(DriverConfiguration(values), host)
    }

    /// What exists on the hypervisor, seen without the driver's help.
    func world() async throws -> [String]? {
        try FileManager.default.contentsOfDirectory(atPath: host.stateDirectory + "/guests")
    }

    func close() async { try? FileManager.default.removeItem(atPath: folder) }
}

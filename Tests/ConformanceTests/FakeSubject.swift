import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

@testable import FakeDriver

/// The fake driver as the suite's subject, linked in.
final class FakeSubject: ConformanceSubject {
    let name: String
    let host: ScratchHost
    let images: ConformanceImages
    let limits: ConformanceLimits
    let volumes: (any ConformanceVolumes)?
    private let root: String
    private let configuration: DriverConfiguration

    init(_ options: [String: String] = [:], name: String = "fake", limits: ConformanceLimits? = nil) throws {
        root = NSTemporaryDirectory() + "conformance-" + UUIDValue.random().compact
        self.name = name
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let image = root + "/image.raw"
        try Data("FAKE-IMAGE".utf8).write(to: URL(filePath: image))
        host = ScratchHost(stateDirectory: root + "/state", nodeName: name)
        images = ConformanceImages(boot: host.offer(image: image), rescue: host.offer(image: image))
        self.limits = limits ?? ConformanceLimits(timeScale: 0.2)
        volumes = FileVolumes(directory: root + "/volumes")
        var values: [String: String] = [:]
        for option in FakeOptions.declared { values[option.name] = option.defaultValue }
        configuration = DriverConfiguration(values.merging(options) { $1 })
    }

    func start() async throws(DriverError) -> any ComputeDriver {
        try FakeDriver(options: FakeOptions(configuration), host: host)
    }

    var rehearsal: (any CallRehearsal)? { FakeRehearsal() }

    func close() async { try? FileManager.default.removeItem(atPath: root) }
}

struct FakeRehearsal: CallRehearsal {
    func slowing(_ call: String, by delay: Duration) -> [String: String]? {
        let (seconds, attoseconds) = delay.components
        return ["fake:\(call):delay": String(Double(seconds) + Double(attoseconds) / 1e18)]
    }
    func failing(_ call: String) -> [String: String]? { ["fake:\(call):fail": "failed", "fake:\(call):fail_first": "1"] }
}

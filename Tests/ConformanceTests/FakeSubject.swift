import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

@testable import FakeDriver

/// The fake driver as the suite's subject, linked in: a node with everything, a second one that sees its disks, and
/// guests whose inside can be looked into.
final class FakeSubject: ConformanceSubject {
    let name: String
    let host: ScratchHost
    let images: ConformanceImages
    let limits: ConformanceLimits
    let volumes: (any ConformanceVolumes)?
    let hypervisor: (any HypervisorControl)?
    let foreignGuests: (any ForeignGuests)?
    let accidents: (any GuestAccidents)?
    let insight: (any GuestInsight)?
    let rehearsal: (any CallRehearsal)? = FakeRehearsal()
    let mayTurnHostOff = true
    let facts: [String: String]
    private let root: String
    private let journal: JournalView
    private let shared: String
    private let options: [String: String]
    private let configuration: DriverConfiguration
    private let isFirst: Bool

    convenience init(_ options: [String: String] = [:], name: String = "fake", timeScale: Double = 0.3) throws {
        let root = FileManager.default.temporaryDirectory.path + "/conformance-" + UUIDValue.random().compact
        try self.init(options, name: name, timeScale: timeScale, root: root, node: 1)
    }

    private init(
        _ options: [String: String], name: String, timeScale: Double, root: String, node: Int
    ) throws {
        self.name = name
        self.options = options
        self.root = root
        isFirst = node == 1
        shared = root + "/shared"
        for folder in [shared, root + "/images"] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        let state = root + "/node\(node)"
        host = ScratchHost(stateDirectory: state, nodeName: "\(name)-\(node)")
        let image = root + "/images/guest.raw"
        try Data("FAKE-IMAGE".utf8).write(to: URL(filePath: image))
        images = ConformanceImages(
            boot: host.offer(image: image, properties: ["hw_qemu_guest_agent": "no"]), rescue: host.offer(image: image),
            uefi: host.offer(image: image), broken: host.offer(image: image, format: "qcow2"),
            agent: host.offer(image: image))
        limits = ConformanceLimits(timeScale: timeScale, floodChanges: 1_060, quiesceLimit: .milliseconds(300))
        let foreign = GuestID.random()
        volumes = FakeVolumes(files: FileVolumes(directory: root + "/volumes"))
        hypervisor = FakeHypervisorControl(path: FakeNode.controlFile(stateDirectory: state))
        accidents = FakeAccidents(path: FakeNode.controlFile(stateDirectory: state))
        journal = JournalView(stateDirectory: state, sharedStorage: shared)
        insight = FakeInsight(journal: journal)
        foreignGuests = FakeForeignGuests(guest: foreign, journal: journal)
        facts = ["hypervisor": "in memory, linked in"]
        var values: [String: String] = [:]
        for option in FakeNode.factory.options { values[option.name] = option.defaultValue }
        values.merge([
            "shared_storage": shared, "fetch_images": "true", "quiesce_limit": "0.3", "numa_cells": "2",
            "vcpus": "64", "memory_mb": "65536", "huge_pages": "64",
            "pci_devices": "0000:81:00.1 8086 1520 type-VF 0", "foreign_guests": foreign.description,
        ]) { $1 }
        configuration = DriverConfiguration(values.merging(options) { $1 })
    }

    func start() async throws(DriverError) -> any ComputeDriver {
        try await FakeNode.factory.makeDriver(configuration, host: host)
    }

    func world() async throws -> [String]? { journal.lines }

    func secondNode() async throws -> (any ConformanceSubject)? {
        guard isFirst else { return nil }
        return try FakeSubject(options, name: name, timeScale: limits.timeScale, root: root, node: 2)
    }

    func close() async { if isFirst { try? FileManager.default.removeItem(atPath: root) } }
}

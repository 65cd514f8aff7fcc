import ComputeModel
import DriverAPI
import DriverConformance
import DriverHTTP
import Foundation
import Testing

@testable import XenAPIDriver

/// A simulated pool with drivers for its hosts: the world of one test.
final class Pool {
    let simulator: Simulator
    let directory: String
    private let http = DriverHTTPClient()
    private var drivers: [XenAPIDriver] = []
    private var hosts: [String: ScratchHost] = [:]
    private var lastOperation: Int64 = 100

    init(_ arguments: [String] = [], sharing directory: String? = nil) throws {
        simulator = try Simulator(arguments)
        self.directory = directory ?? NSTemporaryDirectory() + "/xenapi-driver-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: self.directory, withIntermediateDirectories: true)
    }

    /// The host of a node, which outlives drivers.
    func host(_ node: String = "node-1") -> ScratchHost {
        if let known = hosts[node] { return known }
        let http = http
        let made = ScratchHost(stateDirectory: directory + "/" + node, nodeName: node) {
            request throws(DriverError) in try await http.exchange(request)
        }
        hosts[node] = made
        return made
    }

    static func configuration(_ url: String, _ more: [String: String] = [:]) -> DriverConfiguration {
        var values = Dictionary(
            uniqueKeysWithValues: XenAPIOptions.declared.compactMap { option in
                option.defaultValue.map { (option.name, $0) }
            })
        values["connection_url"] = url
        values["connection_password"] = "secret"
        values["integration_bridge"] = "xapi0"
        values["vhd_coalesce_poll_interval"] = "0.2"
        return DriverConfiguration(values.merging(more) { $1 })
    }

    /// A driver for a host of the pool.
    func driver(host number: Int = 0, _ options: [String: String] = [:]) async throws -> XenAPIDriver {
        let configuration = Self.configuration(simulator.urls[number], options)
        let driver = try await XenAPIDriver.start(
            try XenAPIOptions(configuration), host: host("node-\(number + 1)"))
        drivers.append(driver)
        return driver
    }

    /// Ends everything; every test calls it last.
    func end() async {
        for driver in drivers { await driver.shutDown() }
        await http.shutDown()
        simulator.kill()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Runs a test in a world of its own.
    static func with(_ arguments: [String] = [], _ body: (Pool) async throws -> Void) async throws {
        let pool = try Pool(arguments)
        do {
            try await body(pool)
        } catch {
            await pool.end()
            throw error
        }
        await pool.end()
    }

    /// The next operation's circumstances.
    var call: DriverCall {
        lastOperation += 1
        return DriverCall(operation: lastOperation, requestID: "req-test")
    }

    /// A file with content that tests recognise, offered as an image.
    func rawImage(mib: Int = 4, node: String = "node-1", properties: [String: String] = [:]) throws -> ImageSpec {
        let path = "\(directory)/image-\(UUID().uuidString)"
        var bytes = [UInt8](repeating: 0, count: mib << 20)
        bytes.replaceSubrange(0..<16, with: Array("IMAGE-CONTENT-01".utf8))
        bytes.replaceSubrange((bytes.count - 16)..<bytes.count, with: Array("IMAGE-CONTENT-02".utf8))
        try Data(bytes).write(to: URL(filePath: path))
        return host(node).offer(image: path, properties: properties)
    }

    func spec(
        _ image: ImageSpec?, id: GuestID = .random(), rootGiB: Int = 1, ephemeralGiB: Int = 0, swapMiB: Int = 0,
        interfaces: Int = 1, volumes: [VolumeSpec] = [], configDrive: [String: [UInt8]]? = nil, memoryMiB: Int = 256,
        isRunning: Bool = true
    ) -> GuestSpec {
        GuestSpec(
            id: id, name: "test", projectID: "project", userID: "user",
            flavor: FlavorSpec(
                flavorID: "1", name: "m1.test", vcpus: 2, memoryMiB: memoryMiB, rootGiB: rootGiB,
                ephemeralGiB: ephemeralGiB, swapMiB: swapMiB),
            image: image, interfaces: (0..<interfaces).map { Self.interface($0) }, volumes: volumes,
            configDrive: configDrive, isRunning: isRunning)
    }

    static func interface(_ number: Int = 0, tag: String? = nil) -> NetworkInterfaceSpec {
        NetworkInterfaceSpec(
            portID: .random(), networkID: .random(), networkName: "private",
            macAddress: "fa:16:3e:00:\(String(format: "%02x:%02x", Int.random(in: 0...255), number))", mtu: 1500,
            binding: .network(name: "integration"), addresses: [], tag: tag)
    }
}

/// How much slower than usual this machine is.
let slowness = Double(ProcessInfo.processInfo.environment["KILONOVA_TEST_SCALE"] ?? "") ?? 1

/// Waits until something holds, for a while at most.
func eventually(
    within seconds: Double = 15, _ what: String, _ holds: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .milliseconds(Int64(seconds * slowness * 1000))
    while try await !holds() {
        guard clock.now < deadline else {
            Issue.record("did not come true within \(seconds) s: \(what)")
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// The error that a call throws.
func failure(_ body: () async throws -> some Sendable) async -> DriverError? {
    do {
        _ = try await body()
        Issue.record("the call succeeded")
        return nil
    } catch let error as DriverError {
        return error
    } catch {
        Issue.record("not a DriverError: \(error)")
        return nil
    }
}

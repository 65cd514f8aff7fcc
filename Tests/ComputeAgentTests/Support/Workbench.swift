import CDriverABI
import ComputeAgent
import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

/// A directory that goes with its owner.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/agent-tests-\(UUIDValue.random())"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    /// A host that works in this directory.
    var host: ScratchHost { ScratchHost(stateDirectory: path) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func folder(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
        return path + "/" + name
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path + "/" + name))
    }
}

/// The checkout that the tests stand in.
let repository: String = {
    let folders = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return folders.dropLast(4).joined(separator: "/")
}()

struct ToolFailure: Error, CustomStringConvertible {
    let description: String
}

/// Runs a program and returns what it prints.
@discardableResult
func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: data, as: UTF8.self)
    guard process.terminationStatus == 0 else {
        throw ToolFailure(description: "\(program) \(arguments.joined(separator: " ")): \(text)")
    }
    return text
}

/// Runs something that blocks on a thread of its own.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}

/// Makes driver folders in a directory of its own.
struct Workbench {
    let scratch: ScratchDirectory
    let loader = DriverLoader()

    init() throws { scratch = try ScratchDirectory() }

    static let goodFields: [String: String] = [
        "name": #""bad""#, "aliases": "[]", "version": #""1""#, "summary": #""A driver""#, "driver_api": #"["1.0"]"#,
        "library": #""libBad.so""#,
    ]

    /// A manifest with some fields changed (JSON text) or, for nil, left out.
    static func manifest(_ changes: [String: String?] = [:]) -> String {
        var fields = goodFields
        for (name, value) in changes { fields[name] = value }
        return "{" + fields.sorted { $0.key < $1.key }.map { "\"\($0)\": \($1)" }.joined(separator: ",") + "}"
    }

    func add(_ manifest: String, folder: String = "bad") throws {
        _ = try scratch.folder(folder)
        try scratch.write(manifest, to: folder + "/driver.json")
    }

    /// Compiles the bad driver with the given macros into the folder `bad`.
    func compile(_ macros: [String], also objects: [String] = []) throws {
        _ = try scratch.folder("bad")
        let host = loader.host
        var defined = macros
        if !macros.contains(where: { $0.hasPrefix("COMPILER=") }) { defined.append("COMPILER=\"\(host.compiler)\"") }
        let fixtures = repository + "/Tests/Fixtures/BadDrivers"
        try run(
            "clang",
            ["-shared", "-fPIC", "-w", "-I", repository + "/Plugins/DriverKit/Sources/CDriverABI/include"]
                + defined.map { "-D" + $0 } + [fixtures + "/bad.c"] + objects
                + ["-o", scratch.path + "/bad/libBad.so"])
    }

    /// Compiles a class that looks like DriverKit's factory and is not; returns the library's path.
    func compileStranger() throws -> String {
        let path = scratch.path + "/libStranger.so"
        try run(
            "swiftc",
            [
                "-emit-library", "-parse-as-library", "-module-name", "DriverAPI", "-swift-version", "6",
                repository + "/Tests/Fixtures/BadDrivers/Stranger.swift", "-o", path,
            ])
        return path
    }

    var catalog: DriverCatalog { DriverCatalog(directories: [scratch.path]) }

    /// The refusal that loading the driver in the folder `bad` ends in.
    func refusal(_ changes: [String: String?] = [:]) throws -> DriverRefusal? {
        try add(Self.manifest(changes))
        let catalog = catalog
        if let problem = catalog.problems.first { return problem }
        do {
            _ = try loader.load(catalog.entry(selectedBy: "bad"))
            return nil
        } catch {
            return error
        }
    }
}

/// The fake driver as the product loads it.
enum Fake {
    static let loaded: Result<DriverLoader.Loaded, any Error> = Result {
        try DriverLoader().load(
            DriverCatalog(directories: [repository + "/Plugins"]).entry(selectedBy: "fake.FakeDriver"))
    }

    /// A driver object over a state directory, with some options set.
    static func driver(in scratch: ScratchDirectory, _ options: [String: String] = [:]) async throws
        -> any ComputeDriver
    {
        let factory = try loaded.get().factory
        var values: [String: String] = [:]
        for option in factory.options { values[option.name] = option.defaultValue }
        return try await factory.makeDriver(
            DriverConfiguration(values.merging(options) { $1 }), host: ScratchHost(stateDirectory: scratch.path))
    }
}

extension GuestSpec {
    static func test(
        _ id: GuestID = .random(), metadata: [String: String] = [:], interfaces: [NetworkInterfaceSpec] = []
    ) -> GuestSpec {
        GuestSpec(
            id: id, name: "vm", projectID: "p", userID: "u",
            flavor: FlavorSpec(flavorID: "1", name: "m1.nano", vcpus: 1, memoryMiB: 64, rootGiB: 0), image: nil,
            interfaces: interfaces, metadata: metadata)
    }
}

extension DriverCall {
    static func number(_ operation: Int64) -> DriverCall { DriverCall(operation: operation, requestID: "req-1") }
}

/// Waits for a condition, at most for so long.
func until(_ limit: Duration = .seconds(60), _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard .now < end else { throw ToolFailure(description: "what was waited for did not happen") }
        try await Task.sleep(for: .milliseconds(2))
    }
}

import ComputeAgent
import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

/// What `kilonovad driver new` writes is compiled, loaded and examined; the driver in docs/driver-author-guide is the
/// same: neither can rot.
@Suite(.timeLimit(.minutes(5))) struct GuideExampleTests {
    @Test func theExampleOfTheGuideIsWhatTheScaffoldWrites() throws {
        let example = repository + "/docs/driver-author-guide/example/"
        let files = try DriverScaffold(name: "paper").files(driverKit: "../../../Plugins/DriverKit")
        for (path, text) in files {
            let written = try? String(contentsOfFile: example + path, encoding: .utf8)
            #expect(written == text, "\(path) differs from what the scaffold writes")
        }
    }

    @Test func aScaffoldedDriverLoadsAndPassesTheCore() async throws {
        let subject = try await onThread { try ScaffoldSubject("my_cloud2") }
        let report = await DriverSuite(subject, SuiteOptions(patterns: ["core.*"])).run()
        #expect(report.isPassed, "\(report.table())")
        #expect(report.results.contains { $0.id == "core.spawn" && $0.outcome == .passed })
    }

    @Test(arguments: ["", "Paper", "1st", "a b", "pap\u{e4}r", "../x", "a-b", "_x", String(repeating: "a", count: 41)])
    func aBadNameIsRefused(name: String) {
        #expect(throws: DriverScaffold.Refusal.self) { try DriverScaffold(name: name) }
    }

    @Test func aFolderWithContentIsLeftAlone() throws {
        let scratch = try ScratchDirectory()
        try scratch.write("mine", to: "notes")
        let refusal = #expect(throws: DriverScaffold.Refusal.self) {
            try DriverScaffold(name: "paper").write(
                to: scratch.path, driverKit: repository + "/Plugins/DriverKit")
        }
        #expect(refusal?.description == "\(scratch.path) is not empty; choose another --directory")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["notes"])
    }

    @Test func aPackageThatIsNotDriverKitIsRefused() throws {
        let scratch = try ScratchDirectory()
        let refusal = #expect(throws: DriverScaffold.Refusal.self) {
            try DriverScaffold(name: "paper").write(to: scratch.path + "/new", driverKit: scratch.path)
        }
        #expect(refusal?.description.contains("it has no Package.swift") == true)
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/new"))
    }

    @Test func theInstalledDriverKitIsFound() throws {
        #expect(try DriverScaffold.installedDriverKit().hasSuffix("/DriverKit"))
    }
}

/// A scaffolded driver as its library is loaded.
private final class ScaffoldSubject: ConformanceSubject {
    let name: String
    let host: ScratchHost
    let images: ConformanceImages
    let limits = ConformanceLimits(timeScale: 1, guestsMax: 8, floodChanges: 100)
    private let scratch: ScratchDirectory
    private let factory: DriverFactory

    init(_ name: String) throws {
        self.name = name
        scratch = try ScratchDirectory()
        let scaffold = try DriverScaffold(name: name)
        let package = scratch.path + "/package"
        let files = try scaffold.write(to: package, driverKit: repository + "/Plugins/DriverKit")
        let folder = try scratch.folder("drivers/" + name)
        try FileManager.default.copyItem(atPath: package + "/driver.json", toPath: folder + "/driver.json")
        let products = DriverLoader.executableDirectory
        let module = scaffold.typeName
        try run(
            "swiftc",
            [
                "-emit-library", "-parse-as-library", "-module-name", module, "-swift-version", "6",
                "-warnings-as-errors", "-I", products + "/Modules",
                "-Xcc", "-fmodule-map-file=\(products)/CDriverABI.build/module.modulemap",
                "-L", products, "-lDriverKit", "-o", folder + "/lib\(module).so",
            ] + files.filter { $0.hasPrefix("Sources/") }.map { package + "/" + $0 })
        let entry = try DriverCatalog(directories: [scratch.path + "/drivers"]).entry(selectedBy: name)
        factory = try DriverLoader().load(entry).factory
        try scratch.write(String(repeating: "x", count: 1 << 16), to: "image.raw")
        host = ScratchHost(stateDirectory: scratch.path + "/state")
        images = ConformanceImages(boot: host.offer(image: scratch.path + "/image.raw"))
    }

    func start() async throws(DriverError) -> any ComputeDriver {
        try await factory.makeDriver(DriverConfiguration(["vcpus": "8"]), host: host)
    }

    func world() async throws -> [String]? {
        try FileManager.default.contentsOfDirectory(atPath: host.stateDirectory + "/guests")
    }
}

import ComputeAgent
import DriverAPI
import Foundation
import Testing

@Suite struct ManifestTests {
    private func sentence(_ refusal: DriverRefusal?) throws -> String { try #require(refusal).description }

    @Test(arguments: ["name", "aliases", "version", "summary", "driver_api", "library"])
    func aMissingKeyIsNamed(key: String) throws {
        let bench = try Workbench()
        let refusal = try bench.refusal([key: nil])
        #expect(refusal == .badManifest(path: bench.scratch.path + "/bad/driver.json", reason: "'\(key)' is missing"))
        #expect(try sentence(refusal).hasSuffix("/bad/driver.json cannot be used: '\(key)' is missing"))
    }

    @Test(arguments: ["name", "aliases", "version", "summary", "driver_api", "library"])
    func aWrongTypeIsNamed(key: String) throws {
        for value in ["7", "null"] {
            let bench = try Workbench()
            #expect(
                try bench.refusal([key: value])
                    == .badManifest(
                        path: bench.scratch.path + "/bad/driver.json", reason: "'\(key)' has the wrong type"))
        }
    }

    @Test func textThatIsNotJSONIsRefused() throws {
        let bench = try Workbench()
        try bench.add("{ name: bad")
        #expect("\(bench.catalog.problems)".contains("it is not valid JSON"))
    }

    @Test func aHugeManifestIsRefusedUnread() throws {
        let bench = try Workbench()
        let refusal = try bench.refusal(["summary": "\"" + String(repeating: "x", count: 70_000) + "\""])
        #expect(try sentence(refusal).contains("it is larger than 64 KiB"))
    }

    @Test(arguments: ["Bad", "bad driver", "", "bäd", "../bad", "bad-driver"])
    func aBadNameIsRefused(name: String) throws {
        let bench = try Workbench()
        #expect(try sentence(bench.refusal(["name": "\"\(name)\""])).contains("is not of the form [a-z0-9_]+"))
    }

    @Test(arguments: ["/usr/lib/libc.so.6", "../libBad.so", "a/b.so", ""])
    func aLibraryOutsideTheFolderIsRefused(library: String) throws {
        let bench = try Workbench()
        #expect(
            try sentence(bench.refusal(["library": "\"\(library)\""]))
                .contains("'library' must be a file name without a directory"))
    }

    @Test func theSecondOfTwoEqualNamesIsRefused() throws {
        let bench = try Workbench()
        try bench.add(Workbench.manifest(["name": #""twin""#]), folder: "a")
        try bench.add(Workbench.manifest(["name": #""twin""#]), folder: "b")
        let root = bench.scratch.path
        #expect(bench.catalog.entries.map(\.directory) == [root + "/a"])
        #expect(
            bench.catalog.problems == [
                .duplicate(name: "twin", path: root + "/b/driver.json", first: root + "/a/driver.json")
            ])
        #expect("\(bench.catalog.problems)".contains("remove one of them"))
    }

    @Test func anUnknownDriverIsAnsweredWithTheKnownOnes() throws {
        let bench = try Workbench()
        try bench.add(Workbench.manifest(["aliases": #"["bad.BadDriver"]"#]))
        #expect(try bench.catalog.entry(selectedBy: "bad.BadDriver").manifest.name == "bad")
        #expect(throws: DriverRefusal.unknown(name: "xen", known: ["bad"])) {
            try bench.catalog.entry(selectedBy: "xen")
        }
        let none = DriverRefusal.unknown(name: "xen", known: [])
        #expect("\(none)" == "compute_driver = xen: there is no such driver; found: none (is driver_plugin_dir right?)")
    }

    @Test(arguments: ["[]", #"["2.0"]"#, #"["1"]"#, #"["0.9", "one.zero"]"#])
    func aDriverOfAnotherAPIVersionIsRefused(versions: String) throws {
        let bench = try Workbench()
        let offered = try JSONDecoder().decode([String].self, from: Data(versions.utf8))
        #expect(
            try bench.refusal(["driver_api": versions])
                == .noCommonVersion(name: "bad", offered: offered, known: ["1.0"]))
    }

    @Test func theNewestCommonVersionIsChosen() {
        let offered = ["2.0", "1.1", "1.0"].compactMap { DriverAPIVersion($0) }
        let known = [DriverAPIVersion(1, 2), DriverAPIVersion(1, 1), DriverAPIVersion(1, 0)]
        #expect(DriverAPIVersion.negotiate(offered: offered, known: known) == DriverAPIVersion(1, 1))
        #expect(DriverAPIVersion.negotiate(offered: offered) == DriverAPIVersion(1, 0))
    }

    @Test func aManifestForAnotherBuildIsRefusedBeforeTheLibraryIsOpened() throws {
        let bench = try Workbench()
        let refusal = try bench.refusal(["build_fingerprint": #""1/0/none""#])
        #expect(refusal == .fingerprint(name: "bad", manifest: "1/0/none", host: bench.loader.host.description))
        #expect(try sentence(refusal).hasSuffix("rebuild it"))
    }

    @Test func aMissingLibraryIsSaidWithThePlacesSearched() throws {
        let bench = try Workbench()
        #expect(
            try bench.refusal()
                == .libraryMissing(
                    name: "bad", library: "libBad.so",
                    searched: [bench.scratch.path + "/bad", DriverLoader.executableDirectory]))
    }
}

import ComputeAgent
import ComputeModel
import DriverAPI
import Foundation
import Testing

@Suite struct GoodLibraryTests {
    @Test func theFakeDriverLoadsAndNegotiates() throws {
        let loaded = try Fake.loaded.get()
        #expect(loaded.apiVersion == DriverAPIVersion(1, 0))
        #expect(loaded.manifest.name == "fake")
        #expect(loaded.factory.optionGroup == "fake")
        #expect(loaded.factory.options.contains { $0.name == "spawn_delay" })
    }

    @Test func castsAndTypedErrorsCrossTheBoundary() async throws {
        let driver = try await Fake.driver(in: ScratchDirectory())
        let erased: Any = driver
        #expect(erased as? any ComputeDriver != nil)
        #expect(erased as? any ConsoleLogReading != nil)
        #expect(driver.capabilities.consoleLog != nil)
        let stranger = GuestID.random()
        var caught: DriverError?
        do {
            _ = try await driver.powerState(of: stranger)
        } catch let error as any Error {
            caught = error as? DriverError
        }
        #expect(caught == .noSuchGuest(stranger))
    }

    @Test func everyPluginAndThisProgramNeedTheSharedDriverKit() throws {
        var files = [try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")]
        let beside = DriverLoader.executableDirectory
        let catalog = DriverCatalog(directories: [repository + "/Plugins"])
        #expect(catalog.problems.isEmpty)
        #expect(catalog.entries.count >= 2)
        for library in catalog.entries.map(\.manifest.library) + ["kilonovad"] {
            // Narrowed builds hold a part of the products.
            let path = beside + "/" + library
            if FileManager.default.fileExists(atPath: path) { files.append(path) }
        }
        #expect(files.contains(beside + "/libFakeDriver.so"))
        for file in files {
            let dynamic = try run("readelf", ["-d", file])
            #expect(dynamic.contains("Shared library: [libDriverKit.so]"), "\(file) does not need libDriverKit.so")
        }
    }
}

import ComputeAgent
import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

/// The driver in docs/driver-author-guide is compiled, loaded and used: the guide cannot rot.
@Suite(.timeLimit(.minutes(2))) struct GuideExampleTests {
    @Test func theExampleOfTheGuideWorks() async throws {
        let scratch = try ScratchDirectory()
        let folder = try scratch.folder("paper")
        let example = repository + "/docs/driver-author-guide/example"
        let products = DriverLoader.executableDirectory
        try FileManager.default.copyItem(atPath: example + "/driver.json", toPath: folder + "/driver.json")
        try run(
            "swiftc",
            [
                "-emit-library", "-parse-as-library", "-module-name", "PaperDriver", "-swift-version", "6",
                "-warnings-as-errors", "-I", products + "/Modules",
                "-Xcc", "-fmodule-map-file=\(products)/CDriverABI.build/module.modulemap",
                "-L", products, "-lDriverKit", example + "/Sources/PaperDriver.swift",
                "-o", folder + "/libPaperDriver.so",
            ])
        let entry = try DriverCatalog(directories: [scratch.path]).entry(selectedBy: "paper")
        let factory = try DriverLoader().load(entry).factory
        let state = try scratch.folder("state")
        let configuration = DriverConfiguration(["vcpus": "3"])
        let driver = try await factory.makeDriver(configuration, host: ScratchHost(stateDirectory: state))

        var inventory = driver.inventory().makeAsyncIterator()
        #expect(await inventory.next()?.resources[.vcpu]?.total == 3)
        let spec = GuestSpec.test()
        let handle = try await driver.spawn(spec, .number(2))
        #expect(try await driver.spawn(spec, .number(2)) == handle)
        try await driver.powerOff(spec.id, within: .zero, .number(3))
        let isStale = { (error: any Error) in if case .stale? = error as? DriverError { true } else { false } }
        await #expect(performing: { try await driver.powerOn(spec.id, .number(1)) }, throws: isStale)
        await driver.shutDown()

        let again = try await factory.makeDriver(configuration, host: ScratchHost(stateDirectory: state))
        #expect(try await again.recover([spec.id: handle, .random(): handle]) == [spec.id: handle])
        #expect(
            try await again.guests() == [GuestSummary(id: spec.id, name: "vm", power: .shutdown, isOurs: true)])
        try await again.destroy(spec.id, .number(4))
        try await again.destroy(spec.id, .number(4))
        await #expect(throws: DriverError.noSuchGuest(spec.id)) { try await again.powerState(of: spec.id) }
    }
}

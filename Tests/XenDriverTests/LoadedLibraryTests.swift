import CDriverABI
import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import XenDriver

/// The driver as its users get it: the library opened at run time.
@Suite struct LoadedLibraryTests {
    private func factory() throws -> (DriverFactory, kn_driver_descriptor) {
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let library = URL(filePath: executable).deletingLastPathComponent().appending(path: "libXenDriver.so").path
        let handle = try #require(dlopen(library, RTLD_NOW | RTLD_LOCAL), "\(String(cString: dlerror()))")
        let symbol = try #require(dlsym(handle, DriverEntry.symbol))
        typealias Entry = @convention(c) () -> UnsafePointer<kn_driver_descriptor>?
        let descriptor = try #require(unsafeBitCast(symbol, to: Entry.self)()).pointee
        let raw = try #require(descriptor.make_factory())
        let object = Unmanaged<AnyObject>.fromOpaque(raw).takeRetainedValue()
        return (try #require(object as? DriverFactory), descriptor)
    }

    @Test func theDescriptorSaysWhatTheManifestSays() throws {
        var folder = URL(filePath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        let data = try Data(contentsOf: folder.appending(path: "Plugins/Xen/driver.json"))
        let manifest = try JSONDecoder().decode(DriverManifest.self, from: data)
        let (factory, descriptor) = try factory()
        #expect(descriptor.magic == kn_driver_magic())
        #expect(descriptor.abi == kn_driverkit_abi())
        #expect(String(cString: descriptor.name) == manifest.name)
        #expect(String(cString: descriptor.version) == manifest.version)
        #expect(manifest.library == "libXenDriver.so")
        #expect(manifest.driverAPI.compactMap { DriverAPIVersion($0) }.contains(DriverAPIVersion(1, 0)))
        #expect(factory.optionGroup == "xen")
        #expect(Set(factory.options.map(\.name)).count == factory.options.count)
    }

    @Test(.enabled(if: !FileManager.default.fileExists(atPath: "/proc/xen/capabilities"), "Xen runs here"))
    func whereNoXenRunsTheDriverSaysSoAndWhatToDo() async throws {
        let scratch = try Scratch()
        let (factory, _) = try factory()
        let defaults = factory.options.compactMap { option in option.defaultValue.map { (option.name, $0) } }
        let values = DriverConfiguration(Dictionary(uniqueKeysWithValues: defaults))
        let host = ScratchHost(stateDirectory: scratch.path + "/state")
        do throws(DriverError) {
            _ = try await factory.makeDriver(values, host: host)
            Issue.record("the driver started")
        } catch {
            let text = error.message
            #expect(error == .unreachable(text))
            #expect(text.hasPrefix("no Xen can be used here ("))
            #expect(text.contains("booted with Xen"))
        }
    }
}

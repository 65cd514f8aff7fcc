import CDriverABI
import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import LibvirtDriver

/// The driver as its users get it: the library opened at run time.
@Suite struct LoadedLibraryTests {
    private static let library: String = {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: executable).deletingLastPathComponent()
            .appendingPathComponent("libLibvirtDriver.so").path
    }()

    private func factory() throws -> (DriverFactory, kn_driver_descriptor) {
        let handle = try #require(dlopen(Self.library, RTLD_NOW | RTLD_LOCAL), "\(String(cString: dlerror()))")
        let symbol = try #require(dlsym(handle, DriverEntry.symbol))
        typealias Entry = @convention(c) () -> UnsafePointer<kn_driver_descriptor>?
        let descriptor = try #require(unsafeBitCast(symbol, to: Entry.self)()).pointee
        let raw = try #require(descriptor.make_factory())
        let object = Unmanaged<AnyObject>.fromOpaque(raw).takeRetainedValue()
        return (try #require(object as? DriverFactory), descriptor)
    }

    private func manifest() throws -> DriverManifest {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        let file = folder.appendingPathComponent("Plugins/Libvirt/driver.json")
        return try JSONDecoder().decode(DriverManifest.self, from: Data(contentsOf: file))
    }

    @Test func theDescriptorSaysWhatTheManifestSays() throws {
        let (factory, descriptor) = try factory()
        let manifest = try manifest()
        #expect(descriptor.magic == kn_driver_magic())
        #expect(descriptor.abi == kn_driverkit_abi())
        #expect(String(cString: descriptor.name) == manifest.name)
        #expect(String(cString: descriptor.version) == manifest.version)
        #expect(manifest.library == "libLibvirtDriver.so")
        #expect(manifest.aliases.contains("libvirt.LibvirtDriver"))
        #expect(manifest.driverAPI.compactMap { DriverAPIVersion($0) }.contains(DriverAPIVersion(1, 0)))
        #expect(factory.optionGroup == "libvirt")
        #expect(factory.options.map(\.name).contains("virt_type"))
    }

    @Test(.enabled(if: LibvirtDaemon.obstacle == nil, "no libvirt daemon here: \(LibvirtDaemon.obstacle ?? "")"))
    func aGuestIsMadeAndRemovedThroughTheLibrary() async throws {
        let daemon = try LibvirtDaemon()
        let host = ScratchHost(stateDirectory: daemon.path)
        let (factory, _) = try factory()
        let defaults = factory.options.compactMap { option in option.defaultValue.map { (option.name, $0) } }
        var values = Dictionary(uniqueKeysWithValues: defaults)
        values["connection_uri"] = daemon.uri
        values["virt_type"] = "qemu"
        let driver = try await factory.makeDriver(DriverConfiguration(values), host: host)
        let path = "\(daemon.path)/blank.raw"
        try Data(ImageBuilder.raw.bytes).write(to: URL(fileURLWithPath: path))
        let spec = guestSpec(host.offer(image: path))
        let events = driver.events()
        let handle = try await driver.spawn(spec, DriverCall(operation: 1, requestID: "req"))
        for await event in events { if event == .power(spec.id, .running) { break } }
        #expect(try await driver.recover([spec.id: handle]) == [spec.id: handle])
        // An error crosses the boundary as what it is.
        let nothing = guestSpec(nil)
        let error = await driverError {
            _ = try await driver.spawn(nothing, DriverCall(operation: 1, requestID: "req"))
        }
        #expect(error == .refused("guest \(nothing.id) has neither an image nor a volume to boot from"))
        #expect(driver.capabilities.offered.count == 19, "all but control of the host itself")
        try await driver.destroy(spec.id, DriverCall(operation: 2, requestID: "req"))
        #expect(try await driver.guests().isEmpty)
        await driver.shutDown()
        values["connection_uri"] = "qemu+unix:///system?socket=/nonexistent"
        let unreachable = await driverError {
            _ = try await factory.makeDriver(DriverConfiguration(values), host: host)
        }
        #expect(unreachable?.remedy == .retry)
    }
}

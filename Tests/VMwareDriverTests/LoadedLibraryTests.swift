import CDriverABI
import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import VMwareDriver

/// The driver as its users get it: the library opened at run time.
@Suite(.enabled(if: VCenterWorld.obstacle == nil, "no vCenter simulator here: \(VCenterWorld.obstacle ?? "")"))
struct LoadedLibraryTests {
    private func factory() throws -> DriverFactory {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let library = URL(fileURLWithPath: executable).deletingLastPathComponent()
            .appendingPathComponent("libVMwareDriver.so").path
        let handle = try #require(dlopen(library, RTLD_NOW | RTLD_LOCAL), "\(String(cString: dlerror()))")
        let symbol = try #require(dlsym(handle, DriverEntry.symbol))
        typealias Entry = @convention(c) () -> UnsafePointer<kn_driver_descriptor>?
        let descriptor = try #require(unsafeBitCast(symbol, to: Entry.self)()).pointee
        #expect(descriptor.magic == kn_driver_magic() && descriptor.abi == kn_driverkit_abi())
        let manifest = try Self.manifest()
        #expect(String(cString: descriptor.name) == manifest.name)
        #expect(String(cString: descriptor.version) == manifest.version)
        #expect(manifest.library == "libVMwareDriver.so" && manifest.aliases.contains("vmwareapi.VMwareVCDriver"))
        let object = Unmanaged<AnyObject>.fromOpaque(try #require(descriptor.make_factory())).takeRetainedValue()
        return try #require(object as? DriverFactory)
    }

    private static func manifest() throws -> DriverManifest {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        let file = folder.appendingPathComponent("Plugins/VMware/driver.json")
        return try JSONDecoder().decode(DriverManifest.self, from: Data(contentsOf: file))
    }

    @Test func aGuestIsMadeAndRemovedThroughTheLibrary() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let factory = try factory()
        let defaults = factory.options.compactMap { option in option.defaultValue.map { (option.name, $0) } }
        var values = Dictionary(uniqueKeysWithValues: defaults)
        values["host_ip"] = "127.0.0.1"
        values["host_port"] = "\(world.port)"
        values["host_username"] = VCenterWorld.user
        values["host_password"] = VCenterWorld.password
        values["cluster_name"] = "DC0_C0"
        values["ca_file"] = world.directory + "/cert.pem"
        let driver = try await factory.makeDriver(DriverConfiguration(values), host: host)
        let spec = guestSpec(host.offer(image: try TestImage.raw(world.directory), format: "vmdk"))
        let handle = try await driver.spawn(spec, call(1))
        #expect(try await driver.recover([spec.id: handle]) == [spec.id: handle])
        #expect(driver.capabilities.offers(.suspending) && !driver.capabilities.offers(.pausing))
        // An error crosses the boundary as what it is.
        let unknown = GuestID.random()
        #expect(await driverError { _ = try await driver.powerState(of: unknown) } == .noSuchGuest(unknown))
        try await driver.destroy(spec.id, call(2))
        #expect(try await driver.guests().isEmpty)
        await driver.shutDown()
    }
}

import CXen
import ComputeModel
import DriverAPI
import Foundation
import Testing

@testable import XenDriver

/// What a specification becomes, before and in libxl's form.
@Suite struct DefinitionTests {
    private let facts = XenHost(
        major: 4, minor: 17, extra: ".7", cpus: 4, coresPerSocket: 2, threadsPerCore: 1, memoryMiB: 4096,
        freeMemoryMiB: 2048, runsHardwareGuests: true, runsParavirtualGuests: true)

    @Test func aGuestIsPVHWhereTheProcessorCanAndElsePV() throws {
        let options = try makeOptions()
        #expect(try GuestPlan.kind([:], options, facts) == .pvh)
        var poor = facts
        poor.runsHardwareGuests = false
        #expect(try GuestPlan.kind([:], options, poor) == .pv)
        #expect(throws: DriverError.self) { try GuestPlan.kind(["hw_vm_mode": "hvm"], options, poor) }
    }

    @Test func anImageSaysHowItIsVirtualized() throws {
        let options = try makeOptions(["guest_type": "pvh"])
        #expect(try GuestPlan.kind(["hw_vm_mode": "xen"], options, facts) == .pv)
        #expect(try GuestPlan.kind(["vm_mode": "hvm"], options, facts) == .hvm)
        #expect(throws: DriverError.self) { try GuestPlan.kind(["hw_vm_mode": "uml"], options, facts) }
    }

    @Test func aBootLoaderStartsWhatTheImageHasUnlessTheOperatorNamesAKernel() throws {
        let loader = try GuestPlan(makeSpec(), makeOptions(), facts).guest
        #expect(loader.kernel == "/usr/lib/grub-xen/grub-i386-xen_pvh.bin")
        #expect(loader.commandLine == nil)
        let options = try makeOptions(["kernel": "/boot/k", "ramdisk": "/boot/r", "command_line": "console=hvc0"])
        let direct = try GuestPlan(makeSpec(), options, facts).guest
        #expect(direct.kernel == "/boot/k")
        #expect(direct.ramdisk == "/boot/r")
        #expect(direct.commandLine == "console=hvc0")
    }

    @Test func whatCannotBeKeptIsRefusedByItsName() throws {
        let options = try makeOptions()
        func error(_ change: (inout GuestSpec) -> Void) -> DriverError? {
            var spec = makeSpec()
            change(&spec)
            do throws(DriverError) {
                _ = try GuestPlan(spec, options, facts)
                return nil
            } catch {
                return error
            }
        }
        #expect(error { _ in } == nil)
        #expect(error { $0.image = nil }?.remedy == .giveUp)
        let pages = error { $0.flavor.extraSpecs["hw:mem_page_size"] = "large" }
        #expect(pages?.message.contains("hw:mem_page_size") == true)
        #expect(error { $0.flavor.extraSpecs["hw:cpu_policy"] = "shared" } == nil)
        #expect(error { $0.image?.properties["kernel_id"] = "k" }?.message.contains("kernel_id") == true)
        #expect(error { $0.image?.properties["hypervisor_type"] = "kvm" }?.message.contains("kvm") == true)
        #expect(error { $0.image?.properties["hw_firmware_type"] = "uefi" }?.message.contains("uefi") == true)
        #expect(error { $0.pciDevices = ["0000:01:00.0"] } != nil)
        #expect(error { $0.interfaces = [makeInterface("02:00", .bridge(bridge: "b", tap: "t"))] } != nil)
        #expect(error { $0.interfaces = [makeInterface("02:00:00:00:00:01", .unbound)] } != nil)
    }

    @Test func libxlGetsWhatTheGuestIs() throws {
        var spec = makeSpec()
        spec.interfaces = [makeInterface("fa:16:3e:00:01:ff", .bridge(bridge: "br0", tap: "tap1"))]
        var guest = try GuestPlan(spec, makeOptions(), facts).guest
        guest.disks = [
            XenGuest.Disk(path: "/d", device: "xvda"), XenGuest.Disk(path: "/c", device: "xvdz", isReadOnly: true),
        ]
        let config = guest.makeConfig()
        defer { kn_xen_config_free(config) }
        #expect(String(cString: config.pointee.c_info.name) == "kn-\(spec.id)")
        #expect(config.pointee.c_info.type == LIBXL_DOMAIN_TYPE_PVH)
        #expect(config.pointee.b_info.max_vcpus == 2)
        #expect(config.pointee.b_info.max_memkb == 256 << 10)
        #expect(config.pointee.num_disks == 2)
        #expect(config.pointee.disks[0].readwrite == 1)
        #expect(config.pointee.disks[1].readwrite == 0)
        #expect(String(cString: config.pointee.disks[1].vdev) == "xvdz")
        #expect(config.pointee.num_nics == 1)
        #expect(String(cString: config.pointee.nics[0].ifname) == "tap1")
        let mac = withUnsafeBytes(of: config.pointee.nics[0].mac) { Array($0) }
        #expect(mac == [0xfa, 0x16, 0x3e, 0, 1, 0xff])
    }

    @Test func identifiersSurviveTheWayToXenAndBack() {
        let id = UUIDValue.random()
        #expect(XenGuest.uuid(XenGuest.bytes(of: id)) == id)
        #expect(XenGuest.bytes(ofMAC: "02:00:00:00:00") == nil)
        #expect(XenGuest.bytes(ofMAC: "02:00:00:00:00:zz") == nil)
        #expect(XenGuest.bytes(ofMAC: "2:0:0:0:0:1") == nil)
    }

    @Test func theStateOfADomainFollowsFromWhatXenSays() {
        func state(_ reason: libxl_shutdown_reason?, paused: Bool = false, dying: Bool = false) -> PowerState {
            XenDomain.state(reason: reason?.rawValue ?? -1, paused: paused, dying: dying).0
        }
        #expect(state(nil) == .running)
        #expect(state(nil, paused: true) == .paused)
        #expect(state(nil, dying: true) == .shutdown)
        #expect(state(LIBXL_SHUTDOWN_REASON_POWEROFF) == .shutdown)
        #expect(state(LIBXL_SHUTDOWN_REASON_CRASH) == .crashed)
        let rebooted = LIBXL_SHUTDOWN_REASON_REBOOT.rawValue
        #expect(XenDomain.state(reason: rebooted, paused: false, dying: false).1 == .reboot)
    }

    @Test func theVersionIsOneNumber() {
        #expect(HostInventory.version(facts) == 4_017_007)
        var other = facts
        other.extra = ".3-pre"
        #expect(HostInventory.version(other) == 4_017_003)
    }

    @Test func theInventoryKeepsTheControlDomainsMemoryBack() throws {
        let options = try makeOptions(["reserved_host_memory_mb": "100"])
        let inventory = HostInventory.make(facts, 1024, options, (100 << 30, 40 << 30))
        #expect(inventory.resources[.memoryMiB]?.total == 4096)
        #expect(inventory.resources[.memoryMiB]?.reserved == 1124)
        #expect(inventory.resources[.vcpu]?.total == 4)
        #expect(inventory.resources[.diskGiB]?.total == 100)
        #expect(inventory.diskFreeGiB == 40)
        #expect(inventory.supportedGuests.map(\.machineMode) == ["xen", "hvm"])
    }

    @Test func theProcessorIsReadFromTheKernelsWords() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A CPU\nflags\t\t: sse2 avx2 made_up\n"
        let cpu = HostInventory.processor(text, facts)
        #expect(cpu.vendor == "Intel")
        #expect(cpu.model == "A CPU")
        #expect(cpu.sockets == 2)
        #expect(HostInventory.traits(cpu.features) == [Trait("HW_CPU_X86_SSE2"), Trait("HW_CPU_X86_AVX2")])
    }

    @Test func theConsoleDaemonsCommandLineSaysWhereLogsAre() {
        let program = "/usr/lib/xen-4.17/bin/xenconsoled"
        #expect(ConsoleLogs.directory(ofDaemon: [program, "--log=guest", "--log-dir=/l"]) == "/l")
        #expect(ConsoleLogs.directory(ofDaemon: [program, "--log=all"]) == "/var/log/xen/console")
        #expect(ConsoleLogs.directory(ofDaemon: [program, "--log=hv"]) == nil)
        #expect(ConsoleLogs.directory(ofDaemon: [program]) == nil)
        #expect(ConsoleLogs.directory(ofDaemon: ["/bin/sh", "--log=guest"]) == nil)
    }
}

import ComputeModel
import DriverAPI
import DriverSupport

/// Reads Xen's counters, and those of its back ends in the control domain.
struct Diagnostics: DiagnosingGuests {
    let driver: XenDriver

    func diagnostics(of guest: GuestID) async throws(DriverError) -> GuestDiagnostics {
        let held = try await driver.held(guest)
        var found = GuestDiagnostics(
            power: held.power, driver: "xen", hypervisor: "xen", hypervisorOS: "linux",
            memoryMaximumMiB: UInt64(held.guest.memoryMiB), hasConfigDrive: held.guest.hasConfigDrive)
        guard let domain = held.domain, !domain.isDying else { return found }
        // The page tables and rings that Xen counts along are not the guest's.
        found.memoryUsedMiB = min(UInt64(held.guest.memoryMiB), domain.memoryKiB >> 10)
        let times = try await driver.ask { xen throws(XenFailure) in xen.processorTimes(of: domain.number) }
        found.cpus = times.prefix(held.guest.vcpus).enumerated().map {
            GuestDiagnostics.CPU(id: $0.offset, timeNanoseconds: $0.element)
        }
        let made = held.guest
        (found.nics, found.disks) = await driver.threads.run {
            (made.interfaces.map { Self.interface($0) }, Self.disks(of: domain.number))
        }
        return found
    }

    private static func number(_ path: String) -> UInt64? {
        guard let text = try? readText(path, bytesMax: 64) else { return nil }
        return UInt64(text.prefix { $0.isNumber })
    }

    // What the control domain receives on a guest's interface is what the guest has sent.
    private static func interface(_ interface: XenGuest.Interface) -> GuestDiagnostics.NIC {
        func count(_ name: String) -> UInt64? { number("/sys/class/net/\(interface.name)/statistics/\(name)") }
        var nic = GuestDiagnostics.NIC(macAddress: interface.macAddress)
        (nic.receivedOctets, nic.receivedPackets) = (count("tx_bytes"), count("tx_packets"))
        (nic.receivedErrors, nic.receivedDrops) = (count("tx_errors"), count("tx_dropped"))
        (nic.sentOctets, nic.sentPackets) = (count("rx_bytes"), count("rx_packets"))
        (nic.sentErrors, nic.sentDrops) = (count("rx_errors"), count("rx_dropped"))
        return nic
    }

    private static func disks(of domain: UInt32) -> [GuestDiagnostics.Disk] {
        let devices = "/sys/bus/xen-backend/devices"
        return namesInDirectory(devices).filter { $0.hasPrefix("vbd-\(domain)-") }.map { name in
            func count(_ counter: String) -> UInt64? { number("\(devices)/\(name)/statistics/\(counter)") }
            var disk = GuestDiagnostics.Disk()
            (disk.readBytes, disk.readRequests) = (count("rd_sect").map { $0 * 512 }, count("rd_req"))
            (disk.writtenBytes, disk.writeRequests) = (count("wr_sect").map { $0 * 512 }, count("wr_req"))
            return disk
        }
    }
}

import ComputeModel
import DriverAPI

/// Counters that grow with a guest's time.
struct Diagnostics: DiagnosingGuests {
    /// What a fake guest does in a second.
    private static let (octetsPerSecond, requestsPerSecond): (UInt64, UInt64) = (1_500, 2)

    let hypervisor: Hypervisor

    func diagnostics(of guest: GuestID) async throws(DriverError) -> GuestDiagnostics {
        if hypervisor.mutation == .capabilityLies { throw .notSupported("diagnostics are not supported") }
        if hypervisor.mutation == .diagnosticsOfNobody, hypervisor.world[guest] == nil {
            return GuestDiagnostics(power: .noState, driver: "fake")
        }
        let now = hypervisor.now()
        return try await hypervisor.look(.diagnostics, guest) { guest in Self.document(guest, now) }
    }

    private static func document(_ guest: FakeGuest, _ now: Timestamp) -> GuestDiagnostics {
        var uptime: UInt64 = 0
        if let startedAt = guest.startedAt, guest.isUp {
            uptime = UInt64(max(0, now.microseconds - startedAt.microseconds))
        }
        let seconds = uptime / 1_000_000
        var disk = GuestDiagnostics.Disk()
        (disk.readBytes, disk.readRequests) = (seconds * octetsPerSecond, seconds * requestsPerSecond)
        (disk.writtenBytes, disk.writeRequests) = (seconds * octetsPerSecond, seconds * requestsPerSecond)
        disk.errors = 0
        let hasRoot = !guest.volumes.contains { $0.bootIndex == 0 }
        return GuestDiagnostics(
            power: guest.power, driver: "fake", hypervisor: "fake", hypervisorOS: "linux", uptimeSeconds: seconds,
            memoryMaximumMiB: UInt64(guest.flavor.memoryMiB),
            memoryUsedMiB: guest.memory == .held ? UInt64(guest.flavor.memoryMiB) : 0,
            hasConfigDrive: guest.hasConfigDrive,
            cpus: (0..<max(1, guest.flavor.vcpus)).map {
                GuestDiagnostics.CPU(id: $0, timeNanoseconds: uptime * 100, utilisationPercent: guest.isUp ? 10 : 0)
            },
            nics: guest.interfaces.map { interface in
                var nic = GuestDiagnostics.NIC(macAddress: interface.macAddress)
                (nic.receivedOctets, nic.sentOctets) = (seconds * octetsPerSecond, seconds * octetsPerSecond)
                (nic.receivedPackets, nic.sentPackets) = (seconds, seconds)
                (nic.receivedErrors, nic.sentErrors, nic.receivedDrops, nic.sentDrops) = (0, 0, 0, 0)
                return nic
            },
            disks: Array(repeating: disk, count: guest.volumes.count + (hasRoot ? 1 : 0)))
    }
}

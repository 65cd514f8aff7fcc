import ComputeModel
import DriverAPI

/// Reads what vCenter counts of guests.
struct Diagnostics: DiagnosingGuests {
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    func diagnostics(of guest: GuestID) async throws(DriverError) -> GuestDiagnostics {
        let driver = try parts.driver()
        return try await driver.read(guest) { (machine) async throws(VimFailure) in
            let now = try await driver.client.properties(
                ["summary.quickStats", "summary.runtime.maxCpuUsage"], of: machine.reference)
            let stats = now["summary.quickStats"]
            // In MHz, of all processors together.
            let used = stats?.int("overallCpuUsage")
            let most = now.int("summary.runtime.maxCpuUsage")
            let percent = used.flatMap { used in most.flatMap { $0 > 0 ? min(100, used * 100 / $0) : nil } }
            return GuestDiagnostics(
                power: machine.power, driver: "vmwareapi", hypervisor: "vmware", hypervisorOS: "esxi",
                uptimeSeconds: stats?.int("uptimeSeconds").flatMap { UInt64(exactly: $0) },
                memoryMaximumMiB: UInt64(machine.memoryMiB),
                memoryUsedMiB: stats?.int("guestMemoryUsage").flatMap { UInt64(exactly: $0) },
                hasConfigDrive: machine.devices.contains { $0.isCDROM && $0.file?.name == "configdrive.iso" },
                cpus: (0..<machine.cpus).map { GuestDiagnostics.CPU(id: $0, utilisationPercent: percent) },
                nics: machine.devices.compactMap(\.mac).map { GuestDiagnostics.NIC(macAddress: $0) },
                disks: machine.disks.map { _ in GuestDiagnostics.Disk() })
        }
    }
}

/// Puts the cluster's hosts into maintenance mode. Guests have nowhere to go from a cluster, so none may run.
struct Maintenance: MaintainingHost {
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    func setMaintenance(_ isWanted: Bool, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.serve { () async throws(VimFailure) in
            let query = PropertyQuery.cluster(
                driver.cluster.reference,
                ["HostSystem": Mirror.hostPaths, "VirtualMachine": ["name", "runtime.powerState"]])
            let found = try await driver.client.retrieve(query)
            let running = found.filter {
                $0.reference.type == "VirtualMachine" && $0.string("runtime.powerState") == "poweredOn"
            }
            if isWanted, !running.isEmpty {
                throw .driver(
                    .refused("\(running.count) machines run in cluster \(driver.cluster.name); move or stop them first")
                )
            }
            for properties in found where properties.reference.type == "HostSystem" {
                guard HostFacts(properties).isInMaintenance != isWanted else { continue }
                let method = isWanted ? "EnterMaintenanceMode_Task" : "ExitMaintenanceMode_Task"
                try await driver.tasks.run(method, properties.reference, [XMLElement("timeout", 0)])
            }
        }
    }

    func isInMaintenance() async throws(DriverError) -> Bool {
        let driver = try parts.driver()
        return try await driver.serve { () async throws(VimFailure) in
            let query = PropertyQuery.cluster(driver.cluster.reference, ["HostSystem": Mirror.hostPaths])
            let hosts = try await driver.client.retrieve(query).map { HostFacts($0) }
            return !hosts.isEmpty && hosts.allSatisfy(\.isInMaintenance)
        }
    }
}

import ComputeModel
import DriverAPI
import Glibc

extension XenAPIDriver: DiagnosingGuests {
    /// What the server counts. Its round-robin archives hold rates, not sums, so the document tells how busy processors
    /// are and leaves out what would have to be a sum.
    func diagnostics(of guest: GuestID) async throws(DriverError) -> GuestDiagnostics {
        let machine = try await ourMachine(guest)
        let disks = try await disks(of: machine)
        var document = GuestDiagnostics(
            power: machine.power, driver: "xenapi", hypervisor: "xen", hypervisorOS: "linux",
            memoryMaximumMiB: UInt64(machine.memoryMiB), hasConfigDrive: disks.contains { $0.role == .config },
            disks: disks.map { _ in GuestDiagnostics.Disk() })
        for reference in machine.interfaces {
            let record = try await client.call(
                "VIF.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe an interface")
            if let record { document.nics.append(.init(macAddress: record["MAC"].text.lowercased())) }
        }
        guard !machine.isOff, let metrics = machine.record["metrics"].reference else { return document }
        let counted = try await client.call(
            "VM_metrics.get_record", [.text(metrics)], accepting: ["HANDLE_INVALID"], "count for the guest \(guest)")
        if let counted {
            document.memoryUsedMiB = counted["memory_actual"].integer.map { UInt64(clamping: $0) >> 20 }
            document.uptimeSeconds = Self.secondsSince(counted["start_time"].text)
        }
        let sources = try await client.call(
            "VM.get_data_sources", [.text(machine.reference)], accepting: ["MESSAGE_METHOD_UNKNOWN"],
            "count for the guest \(guest)")
        var busy: [Int: Int] = [:]
        for source in (sources ?? .nothing).list {
            let name = source["name_label"].text
            guard name.hasPrefix("cpu"), let cpu = Int(name.dropFirst(3)), let percent = source["value"].percent else {
                continue
            }
            busy[cpu] = percent
        }
        document.cpus = (0..<machine.vcpus).map { .init(id: $0, utilisationPercent: busy[$0]) }
        return document
    }

    /// From the server's `20261128T01:02:03Z`; `nil` for a time that is not known or not yet.
    static func secondsSince(_ text: String) -> UInt64? {
        let digits = text.filter(\.isNumber)
        guard digits.count >= 14 else { return nil }
        func part(_ from: Int, _ count: Int) -> Int {
            let begin = digits.index(digits.startIndex, offsetBy: from)
            return Int(digits[begin..<digits.index(begin, offsetBy: count)]) ?? 0
        }
        let moment = Timestamp(
            year: part(0, 4), month: part(4, 2), day: part(6, 2), hour: part(8, 2), minute: part(10, 2),
            second: part(12, 2))
        guard let moment else { return nil }
        let seconds = Int64(time(nil)) - moment.microseconds / 1_000_000
        return seconds >= 0 && moment.microseconds > 0 ? UInt64(seconds) : nil
    }
}

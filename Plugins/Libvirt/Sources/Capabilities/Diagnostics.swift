import ComputeModel
import DriverAPI

/// Reads libvirt's counters of guests.
struct Diagnostics: DiagnosingGuests {
    let driver: LibvirtDriver

    func diagnostics(of guest: GuestID) async throws(DriverError) -> GuestDiagnostics {
        let (power, document, values) = try await driver.session.read(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
            return (try domain.powerState(), GuestDocument(try domain.xml(.live)), try domain.statistics())
        }
        return Self.report(
            power: power, document: document, values: values, virtType: driver.facts.decision.virtType)
    }

    /// The report, from what libvirt says.
    static func report(
        power: PowerState, document: GuestDocument, values: ParameterValues, virtType: String
    ) -> GuestDiagnostics {
        var report = GuestDiagnostics(
            power: power, driver: "libvirt", hypervisor: virtType, hypervisorOS: "linux",
            hasConfigDrive: document.hasConfigDrive)
        report.memoryMaximumMiB = values.number("balloon.maximum").map { $0 / 1024 }
        // What the guest says that it does not use; a guest without a balloon driver says nothing.
        if let available = values.number("balloon.available"), let unused = values.number("balloon.unused") {
            report.memoryUsedMiB = available >= unused ? (available - unused) / 1024 : nil
        } else {
            report.memoryUsedMiB = values.number("balloon.current").map { $0 / 1024 }
        }
        for index in 0..<Int(values.number("vcpu.maximum") ?? 0) where values.number("vcpu.\(index).state") != nil {
            report.cpus.append(.init(id: index, timeNanoseconds: values.number("vcpu.\(index).time")))
        }
        for index in 0..<Int(values.number("net.count") ?? 0) {
            let name = values.text("net.\(index).name")
            let interface = document.interfaces.first { $0.child("target")?["dev"] == name }
            var nic = GuestDiagnostics.NIC(macAddress: interface?.child("mac")?["address"])
            // libvirt counts as the guest sees it.
            func count(_ what: String) -> UInt64? { values.number("net.\(index).\(what)") }
            (nic.receivedOctets, nic.receivedErrors) = (count("rx.bytes"), count("rx.errs"))
            (nic.receivedDrops, nic.receivedPackets) = (count("rx.drop"), count("rx.pkts"))
            (nic.sentOctets, nic.sentErrors) = (count("tx.bytes"), count("tx.errs"))
            (nic.sentDrops, nic.sentPackets) = (count("tx.drop"), count("tx.pkts"))
            report.nics.append(nic)
        }
        for index in 0..<Int(values.number("block.count") ?? 0) {
            var disk = GuestDiagnostics.Disk()
            func count(_ what: String) -> UInt64? { values.number("block.\(index).\(what)") }
            (disk.readBytes, disk.readRequests) = (count("rd.bytes"), count("rd.reqs"))
            (disk.writtenBytes, disk.writeRequests) = (count("wr.bytes"), count("wr.reqs"))
            disk.errors = count("errors")
            report.disks.append(disk)
        }
        return report
    }
}

import ComputeModel
import FoundationEssentials

/// The world as its journal and the files beside it tell it.
struct WorldListing {
    let stateDirectory: String
    let sharedStorage: String?

    var lines: [String] {
        let state = Journal.read(stateDirectory + "/guests.jsonl").state
        let now = WallClock.now()
        var lines: [String] = []
        for guest in state.guests.values { lines += Self.lines(guest, now) }
        for disk in state.disks.values {
            lines.append("disk \(disk.name) \(disk.sizeGiB) GiB content \(disk.marker)")
        }
        for departure in state.departures.values {
            lines.append("departure \(departure.guest.id) \(departure.kind.rawValue)")
        }
        for arrival in state.arrivals.values { lines.append("arrival \(arrival.guest.id)") }
        if state.node.isOff { lines.append("node off") }
        if state.node.isInMaintenance { lines.append("node in maintenance") }
        lines += files(in: stateDirectory, as: "file").filter { line in
            ["guests.jsonl", "guests.jsonl.new", ControlFile.name].allSatisfy { line != "file \($0)" }
                // An image that is kept is no leak; a part of one is.
                && !(line.hasPrefix("file images/") && ImageID(String(line.dropFirst("file images/".count))) != nil)
        }
        if let sharedStorage { lines += files(in: sharedStorage, as: "shared") }
        return lines.sorted()
    }

    private static func lines(_ guest: FakeGuest, _ now: Timestamp) -> [String] {
        let flavor = guest.flavor
        var facts = [
            "guest \(guest.id)", "name \(guest.name)", "\(guest.power)", "memory \(guest.memory.rawValue)",
            "\(flavor.vcpus) processors \(flavor.memoryMiB) MiB",
        ]
        if !guest.isOurs { facts.append("foreign") }
        if guest.rescue != nil { facts.append("in rescue") }
        if guest.isSetAside { facts.append("set aside") }
        if let until = guest.frozenUntil, until > now { facts.append("frozen") }
        var lines = [facts.joined(separator: ", ")]
        for volume in guest.volumes {
            lines.append("volume \(volume.id) of \(guest.id) \(volume.sizeGiB) GiB at \(volume.deviceName ?? "?")")
        }
        for interface in guest.interfaces {
            lines.append("interface \(interface.macAddress) of \(guest.id)")
        }
        for device in guest.pciDevices { lines.append("device \(device) of \(guest.id)") }
        return lines
    }

    private func files(in folder: String, as word: String) -> [String] {
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
        return names.filter { name in
            var isFolder = false
            return FileManager.default.fileExists(atPath: folder + "/" + name, isDirectory: &isFolder) && !isFolder
        }.map { "\(word) \($0)" }
    }
}

import ComputeModel
import DriverAPI
import Foundation
import Glibc

@testable import FakeDriver

/// The fake hypervisor's world as its journal tells it, read from outside the driver. Remembers how far it has read:
/// the suite looks often, and the journal grows with every change.
final class JournalView: Sendable {
    private struct Position {
        var world = WorldState()
        var inode: UInt64 = 0
        var offset = 0
    }
    private let path: String
    private let folder: String
    private let sharedStorage: String
    private let position = Locked(Position())

    init(stateDirectory: String, sharedStorage: String) {
        path = stateDirectory + "/guests.jsonl"
        folder = stateDirectory
        self.sharedStorage = sharedStorage
    }

    /// The world as it is now.
    var world: WorldState {
        position.with { position in
            Self.readOn(path, &position)
            return position.world
        }
    }

    private static func readOn(_ path: String, _ position: inout Position) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        var facts = stat()
        guard fstat(file, &facts) == 0 else { return }
        if UInt64(facts.st_ino) != position.inode || Int(facts.st_size) < position.offset {
            position = Position(inode: UInt64(facts.st_ino))
        }
        let count = Int(facts.st_size) - position.offset
        guard count > 0 else { return }
        var bytes = [UInt8](repeating: 0, count: count)
        let got = pread(file, &bytes, count, off_t(position.offset))
        guard got > 0, let end = bytes[..<got].lastIndex(of: UInt8(ascii: "\n")) else { return }
        let decoder = JSONDecoder()
        for line in bytes[...end].split(separator: UInt8(ascii: "\n")) {
            if let change = try? decoder.decode(WorldChange.self, from: Data(line)) { position.world.apply(change) }
        }
        position.offset += end + 1
    }

    /// A line for each thing on the node. What comes and goes with a guest's power is left out.
    var lines: [String] {
        let world = world
        var lines: [String] = []
        for guest in world.guests.values {
            var facts = [
                "guest \(guest.id)", "name \(guest.name)",
                "\(guest.flavor.vcpus) processors \(guest.flavor.memoryMiB) MiB",
            ]
            if guest.rescue != nil { facts.append("in rescue") }
            if guest.isSetAside { facts.append("set aside") }
            if guest.hasConfigDrive { facts.append("with drive") }
            lines.append(facts.joined(separator: ", "))
            for volume in guest.volumes {
                lines.append("volume \(volume.id) of \(guest.id) \(volume.sizeGiB) GiB at \(volume.deviceName ?? "?")")
            }
            for interface in guest.interfaces { lines.append("interface \(interface.macAddress) of \(guest.id)") }
            for device in guest.pciDevices { lines.append("device \(device) of \(guest.id)") }
        }
        for disk in world.disks.values { lines.append("disk \(disk.name) \(disk.sizeGiB) GiB content \(disk.marker)") }
        for departure in world.departures.values { lines.append("departure \(departure.guest.id)") }
        for arrival in world.arrivals.values { lines.append("arrival \(arrival.guest.id)") }
        if world.node.isOff { lines.append("node off") }
        if world.node.isInMaintenance { lines.append("node in maintenance") }
        lines += files(folder).filter { !isKept($0) }.map { "file \($0)" }
        lines += files(sharedStorage).map { "shared \($0)" }
        return lines.sorted()
    }

    private func files(_ folder: String) -> [String] {
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0 != "images" && $0 != "snapshots" }
    }

    /// Files that are no leak: the journal, the control file, images that are kept whole.
    private func isKept(_ name: String) -> Bool {
        if ["guests.jsonl", "guests.jsonl.new", ControlFile.name].contains(name) { return true }
        return name.hasPrefix("images/") && ImageID(String(name.dropFirst("images/".count))) != nil
    }

    /// The root disk of a guest, on the node or on shared storage.
    func root(of guest: GuestID) throws -> FakeDisk? {
        let name = DiskName(guest: guest, role: .root)
        return try world.disks[name] ?? SharedFolder(sharedStorage).read(name)
    }
}

import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

@testable import FakeDriver

/// Takes the fake hypervisor down and up by its control file.
struct FakeHypervisorControl: HypervisorControl {
    let path: String
    let endsGuests = false

    func kill() async throws { try Data("down\n".utf8).write(to: URL(filePath: path), options: .atomic) }
    func hang() async throws -> Bool {
        try Data("hang\n".utf8).write(to: URL(filePath: path), options: .atomic)
        return true
    }
    func revive() async throws {
        if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
    }
}

/// Lets fake guests crash and stop by the control file.
struct FakeAccidents: GuestAccidents {
    let path: String

    func stop(_ guest: GuestID) async throws { try await befall("stop", guest) }
    func crash(_ guest: GuestID) async throws -> Bool {
        try await befall("crash", guest)
        return true
    }

    private func befall(_ word: String, _ guest: GuestID) async throws {
        try Data("\(word) \(guest)\n".utf8).write(to: URL(filePath: path), options: .atomic)
        // The hypervisor removes the file when it has happened.
        let end = ContinuousClock.now + .seconds(10)
        while FileManager.default.fileExists(atPath: path), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// The one guest of the fake hypervisor that its driver did not make.
struct FakeForeignGuests: ForeignGuests {
    let guest: GuestID
    let journal: JournalView

    func make() async throws -> GuestID { guest }
    func power(of guest: GuestID) async throws -> PowerState? { journal.world.guests[guest]?.power }
    func remove(_ guest: GuestID) async throws {}
}

/// Slows calls and lets them fail by a guest's metadata.
struct FakeRehearsal: CallRehearsal {
    func slowing(_ call: String, by delay: Duration) -> [String: String]? {
        let (seconds, attoseconds) = delay.components
        let text = String(Double(seconds) + Double(attoseconds) / 1e18)
        return call == "migrate" ? ["fake:migrate:duration": text] : ["fake:\(call):delay": text]
    }
    func failing(_ call: String) -> [String: String]? {
        ["fake:\(call):fail": "failed", "fake:\(call):fail_first": "1"]
    }
    let deafening: [String: String]? = ["fake:deaf": "true"]
}

/// Volumes for guests that look at none: files, and every other kind by name.
struct FakeVolumes: ConformanceVolumes {
    let files: FileVolumes

    func make(_ kind: VolumeConnection.Kind?, sizeGiB: Int) async throws -> VolumeSpec? {
        let connection: VolumeConnection
        switch kind {
        case nil, .file:
            // Whatever they claim, they are small, because the fake driver copies them in full.
            var volume = try await files.make(.file, sizeGiB: 0)
            volume?.sizeGiB = sizeGiB
            return volume
        case .block: connection = .block(path: "/dev/conformance")
        case .iscsi:
            connection = .iscsi(
                ISCSITarget(
                    portal: "192.0.2.1:3260", name: "iqn.2010-10.org.openstack:v", lun: 1, user: "u", password: "p"))
        case .rbd: connection = .rbd(RBDImage(pool: "volumes", image: "v", monitors: ["192.0.2.1:6789"], user: "u"))
        case .nfs: connection = .nfs(export: "192.0.2.1:/volumes", file: "v", format: "raw")
        case .nbd: connection = .nbd(host: "192.0.2.1", port: 10809, export: "v")
        case .vmdk: return nil
        }
        return VolumeSpec(id: .random(), connection: connection, sizeGiB: sizeGiB)
    }

    func makeBootable() async throws -> VolumeSpec? { try await make(.file, sizeGiB: 1) }

    func makeEncrypted() async throws -> VolumeSpec? {
        var volume = try await make(.file, sizeGiB: 1)
        volume?.encryption = VolumeEncryption(provider: "luks", passphrase: Array("conformance-passphrase".utf8))
        return volume
    }

    func remove(_ volume: VolumeSpec) async throws {
        if volume.connection.kind == .file { try await files.remove(volume) }
    }
    func grow(_ volume: VolumeSpec, toGiB sizeGiB: Int) async throws {}
    func write(_ bytes: [UInt8], to volume: VolumeSpec) async throws { try await files.write(bytes, to: volume) }
    func read(_ count: Int, from volume: VolumeSpec) async throws -> [UInt8]? {
        try await files.read(count, from: volume)
    }
}

/// Looks into fake guests through the journal.
struct FakeInsight: GuestInsight {
    let journal: JournalView

    private func guest(_ id: GuestID) -> FakeGuest? { journal.world.guests[id] }

    func boots(of guest: GuestID) async throws -> Int? { self.guest(guest)?.boots }
    func isQuiet(_ guest: GuestID) async throws -> Bool? {
        self.guest(guest).map { ($0.frozenUntil ?? Timestamp(seconds: 0)) > WallClock.now() }
    }
    func sizeGiB(of volume: VolumeID, in guest: GuestID) async throws -> Int? {
        self.guest(guest)?.volumes.first { $0.id == volume }?.sizeGiB
    }
    func rootGiB(of guest: GuestID) async throws -> Int? { try journal.root(of: guest)?.sizeGiB }
    func rootContent(of guest: GuestID) async throws -> String? { try journal.root(of: guest)?.marker }
    func residentMiB(of guest: GuestID) async throws -> Int? {
        self.guest(guest).map { $0.memory == .held ? $0.flavor.memoryMiB : 0 }
    }
    func tags(of guest: GuestID) async throws -> Set<String>? {
        self.guest(guest).map { Set($0.volumes.compactMap(\.tag) + $0.interfaces.compactMap(\.tag)) }
    }
}

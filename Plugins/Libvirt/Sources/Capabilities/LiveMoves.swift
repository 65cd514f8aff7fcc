import ComputeModel
import DriverAPI
import DriverSupport
import FoundationEssentials
import Glibc

/// Moves running guests by libvirt's peer-to-peer migration: this node's daemon talks to the other's.
struct LiveMigrating: LiveMigratingGuests {
    let driver: LibvirtDriver

    func offer(for spec: GuestSpec, _ move: LiveMove) async throws(DriverError) -> MovePackage {
        switch try await driver.presence(of: spec.id) {
        case .foreign(let name): throw LibvirtDriver.foreign(spec.id, name)
        case .ours: throw .refused("guest \(spec.id) is on node \(driver.host.nodeName) already")
        case .absent: break
        }
        _ = try await driver.plan(spec)
        let directory = driver.directory(of: spec.id)
        let (token, kernel) = await driver.threads.run { (directory.record()?.token, Self.kernel()) }
        let address = move.address ?? driver.options.migrationAddress ?? driver.facts.hostname
        let scheme = driver.options.migrationEncrypts ? "tls" : "tcp"
        let daemon = driver.options.migrationURI ?? "qemu+\(scheme)://%s/system"
        let host = address.contains(":") && !address.hasPrefix("[") ? "[\(address)]" : address
        return LivePackage(
            offer: .init(
                node: driver.host.nodeName, daemon: daemon.replacing("%s", with: host),
                memory: driver.options.migrationAddress == nil && move.address == nil ? nil : "tcp://\(host)",
                directory: directory.path, token: token, kernel: kernel, arch: driver.facts.capabilities.arch,
                virtType: driver.facts.decision.virtType)
        ).package([])
    }

    /// Differs between machines and between starts of one: equal values see the same page cache.
    private static func kernel() -> String {
        let text = (try? readText("/proc/sys/kernel/random/boot_id", bytesMax: 64)) ?? UUIDValue.random().description
        return String(text.prefix(36))
    }

    func check(
        _ guest: GuestID, _ move: LiveMove, _ offer: MovePackage
    ) async throws(DriverError) -> MovePackage {
        var facts = try LivePackage(offer)
        let held = try await driver.held(guest)
        guard held.isActive, held.power == .running || held.power == .paused else {
            throw .refused("guest \(guest) does not run, so it cannot be moved live")
        }
        let directory = driver.directory(of: guest)
        let record = await driver.threads.run { directory.record() }
        guard let record, record.rescuedBy == nil else { throw .refused("guest \(guest) is in rescue") }
        guard facts.offer.virtType == driver.facts.decision.virtType,
            facts.offer.arch == driver.facts.capabilities.arch
        else {
            throw .refused(
                "guest \(guest) is \(driver.facts.decision.virtType) on \(driver.facts.capabilities.arch), node "
                    + "\(facts.offer.node) has \(facts.offer.virtType) on \(facts.offer.arch)")
        }
        let live = try await driver.document(of: guest, .migratable)
        if live.root.child("devices")?.child("hostdev") != nil {
            throw .refused("guest \(guest) has a device of this node for itself")
        }
        let isShared = record.token != nil && record.token == facts.offer.token
        let disks = try await localDisks(live, directory)
        let copied = isShared ? [] : disks.filter { !$0.isReadOnly }
        if isShared, move.copiesDisks == true {
            throw .refused("both nodes see the disks of guest \(guest) already: there is nothing to copy")
        }
        if !copied.isEmpty, move.copiesDisks == false {
            throw .refused("node \(facts.offer.node) does not see the disks of guest \(guest)")
        }
        let bases = isShared ? [] : copied.compactMap(\.base).map { "\(driver.disks.cache.directory)/\($0)" }
        let drives = isShared ? [] : disks.filter(\.isReadOnly).map(\.path)
        let files = try await driver.offer(bases + drives)
        // A move that was given up after its check had nobody to tell the source so.
        let earlier = driver.liveOffers.with { offers in
            defer { offers[guest] = files }
            return offers[guest] ?? []
        }
        for file in earlier { await driver.host.withdrawFile(file) }
        facts.source = .init(
            directory: directory.path, isShared: isShared,
            sharesCache: facts.offer.kernel == (await driver.threads.run { Self.kernel() }), disks: disks,
            cpu: live.root.child("cpu")?.serialized, adminUser: record.adminUser)
        return facts.package(files)
    }

    /// The guest's disks that are files in its directory.
    private func localDisks(
        _ live: GuestDocument, _ directory: GuestDirectory
    ) async throws(DriverError) -> [LivePackage.Disk] {
        var found: [LivePackage.Disk] = []
        for disk in live.disks {
            guard let path = disk.child("source")?["file"], path.hasPrefix(directory.path + "/"),
                let device = disk.child("target")?["dev"],
                let format = DiskFormat(rawValue: disk.child("driver")?["type"] ?? "raw")
            else { continue }
            guard let header = await driver.threads.run({ DiskHeader(path, format) }) else {
                throw .failed("the disk \(path) cannot be read")
            }
            let base = header.base.map { String($0.split(separator: "/").last ?? "") }
            found.append(
                LivePackage.Disk(
                    device: device, path: path, format: format.rawValue, bytes: header.virtualSize, base: base,
                    isReadOnly: disk.child("readonly") != nil))
        }
        return found
    }

    func prepareArrival(
        of spec: GuestSpec, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> MovePackage {
        var facts = try LivePackage(package)
        guard let source = facts.source else { throw .refused("the source has not checked the move") }
        let guest = spec.id
        return try await driver.alone(with: guest) { () async throws(DriverError) -> MovePackage in
            try await driver.admit(call, guest)
            if case .foreign(let name) = try await driver.presence(of: guest) {
                throw LibvirtDriver.foreign(guest, name)
            }
            try await refuseProcessor(source.cpu)
            let directory = driver.directory(of: guest)
            var volumes: [String: String] = [:]
            for volume in spec.volumes {
                try driver.checkVolume(volume)
                let element = try await driver.volumeElement(volume, device: "vda", bus: "virtio")
                volumes[volume.id.description] = element.serialized
            }
            let serial = driver.options.serialConsole ? try await driver.serialPort() : nil
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                rollback.onFailure { await driver.forgetSecrets(of: spec.volumes.map(\.id)) }
                try await driver.keepSecrets(of: spec.volumes)
                if source.isShared { return }
                let record = await driver.threads.run { directory.record() }
                guard record?.complete != true else { throw .refused("guest \(guest) has disks here already") }
                rollback.onFailure { await driver.threads.run { try? removeTree(directory.path) } }
                var first = LibvirtDriver.newRecord(spec, call)
                first.adminUser = source.adminUser
                let begun = first
                try await driver.files { () throws(FileFailure) in
                    try removeTree(directory.path)
                    try directory.create()
                    try directory.write(begun)
                }
                for disk in source.disks { try await makePlace(for: disk, directory, package) }
                if Task.isCancelled { throw .cancelled }
            }
            facts.arrival = .init(
                volumes: volumes,
                interfaces: Dictionary(
                    spec.interfaces.map { ($0.macAddress.lowercased(), $0.binding) }, uniquingKeysWith: { $1 }),
                listen: driver.options.consoleListen, serialPort: serial)
            return facts.package(package.files)
        }
    }

    private func refuseProcessor(_ text: String?) async throws(DriverError) {
        guard let text, let cpu = try? XMLReader.parse(text) else { return }
        let (arch, virtType) = (driver.facts.capabilities.arch, driver.facts.decision.virtType)
        let obstacle = try await driver.session.read { connection throws(LibvirtFailure) in
            try connection.obstacle(toCPU: cpu, arch: arch, virtType: virtType)
        }
        if let obstacle { throw .refused("the processor of node \(driver.host.nodeName) does not suit: \(obstacle)") }
    }

    /// Makes the file that one of the guest's disks is copied into, or brings one that is only read.
    private func makePlace(
        for disk: LivePackage.Disk, _ directory: GuestDirectory, _ package: MovePackage
    ) async throws(DriverError) {
        guard let name = disk.path.split(separator: "/").last, let format = DiskFormat(rawValue: disk.format) else {
            throw .refused("the disk \(disk.path) has no name or format that is known here")
        }
        let path = "\(directory.path)/\(name)"
        if disk.isReadOnly {
            guard let offer = package.files.first(where: { $0.name == name }) else {
                throw .refused("the drive \(name) is not offered")
            }
            return try await driver.host.fetchFile(offer, to: path)
        }
        let ending = disk.base?.split(separator: ".").last.map(String.init)
        if let base = disk.base, let baseFormat = ending.flatMap({ DiskFormat(rawValue: $0) }) {
            let offer = package.files.first { $0.name == base }
            return try await driver.disks.cache.withFile(base, offer: offer) { basePath async throws(DriverError) in
                try await driver.disks.qemuImg.createOverlay(
                    path, base: basePath, baseFormat: baseFormat, size: disk.bytes)
            }
        }
        try await driver.disks.qemuImg.createEmpty(path, format, size: disk.bytes)
    }

    func finishArrival(
        of spec: GuestSpec, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> GuestHandle {
        let guest = spec.id
        return try await driver.alone(with: guest) { () async throws(DriverError) -> GuestHandle in
            try await driver.admit(call, guest)
            switch try await driver.presence(of: guest) {
            case .foreign(let name): throw LibvirtDriver.foreign(guest, name)
            case .absent: throw .noSuchGuest(guest)
            case .ours: break
            }
            let directory = driver.directory(of: guest)
            let definition = try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
                let text = try domain.xml(.kept).serialized
                try connection.define(text)
                return text
            }
            try await driver.files { () throws(FileFailure) in
                try writeDurably(Array(definition.utf8), to: directory.definition)
                try directory.update { record in
                    record.complete = true
                    record.operation = max(record.operation, call.operation)
                }
            }
            let removed = driver.removed
            await driver.threads.run { removed.forget(guest) }
            return GuestIdentity(guest).handle
        }
    }

    func finishDeparture(
        of guest: GuestID, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) {
        let facts = try LivePackage(package)
        let isShared = facts.source?.isShared ?? true
        try await driver.alone(with: guest) { () async throws(DriverError) in
            try await driver.admit(call, guest)
            if case .foreign(let name) = try await driver.presence(of: guest) {
                throw LibvirtDriver.foreign(guest, name)
            }
            let volumes = (try? await driver.keptDocument(guest))?.volumes ?? []
            let runsHere = try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest) else { return false }
                if domain.isActive { return true }
                try domain.undefine(keepingFirmware: isShared)
                return false
            }
            if runsHere { throw .refused("guest \(guest) still runs on node \(driver.host.nodeName)") }
            await driver.forgetSecrets(of: volumes)
            for file in package.files { await driver.host.withdrawFile(file) }
            guard !isShared else { return }
            let (directory, removed) = (driver.directory(of: guest), driver.removed)
            try await driver.files { () throws(FileFailure) in
                try removeTree(directory.path)
                try removed.note(guest, operation: call.operation)
            }
        }
    }

    func abandonArrival(
        of guest: GuestID, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) {
        let facts = try LivePackage(package)
        try await driver.alone(with: guest) { () async throws(DriverError) in
            try await driver.admit(call, guest)
            if case .foreign(let name) = try await driver.presence(of: guest) {
                throw LibvirtDriver.foreign(guest, name)
            }
            let runsHere = try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest) else { return false }
                // Where the source still sends, the domain here waits, paused: only one that runs has come.
                if try domain.powerState() == .running { return true }
                try domain.stop()
                try domain.undefine(keepingFirmware: true)
                return false
            }
            if runsHere { throw .refused("guest \(guest) runs on node \(driver.host.nodeName): it has come") }
            let volumes = (facts.arrival?.volumes.keys).map { $0.compactMap { VolumeID($0) } } ?? []
            await driver.forgetSecrets(of: volumes)
            guard facts.source?.isShared == false else { return }
            let (directory, removed) = (driver.directory(of: guest), driver.removed)
            try await driver.files { () throws(FileFailure) in
                if directory.record()?.complete != true { try removeTree(directory.path) }
                try removed.note(guest, operation: call.operation)
            }
        }
    }
}

import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// What a guest takes along that moves while it is off.
struct ColdPackage: Codable, Hashable, Sendable {
    static let version = 1
    /// The pool that the disks are in.
    var pool: String
    /// The guest's disks by their role.
    var disks: [DiskRole: DiskCopy]
    /// The folder of the files that were offered; empty for none.
    var folder: String

    init(pool: String, disks: [DiskRole: DiskCopy], folder: String) {
        (self.pool, self.disks, self.folder) = (pool, disks, folder)
    }

    /// - Throws: ``DriverError/refused(_:)`` for the package of another driver, or of another version of this one.
    init(_ package: MovePackage) throws(DriverError) {
        guard package.version == Self.version,
            let read = try? JSONDecoder().decode(Self.self, from: Data(package.data))
        else { throw .refused("The server comes from a node whose driver speaks another language.") }
        self = read
    }

    func package(files: [FileOffer]) throws(DriverError) -> MovePackage {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(self) else { throw .failed("a package for a move cannot be written") }
        return MovePackage(version: Self.version, data: Array(data), files: files)
    }
}

/// Moves guests that are off. The machine that departs stays as it is, off and under another name, until the move is
/// confirmed; the one that arrives is made anew from copies of its disks: clones in the same repository, copies by the
/// server between repositories of a pool, files between pools.
struct ColdMoves: ResizingGuests {
    let driver: XenAPIDriver

    var canStayOnNode: Bool { true }
    private var client: XenClient { driver.client }

    func depart(_ guest: GuestID, _ move: ColdMove, _ call: DriverCall) async throws(DriverError) -> MovePackage {
        try await driver.change(guest, call) { machine async throws(DriverError) in
            var disks: [DiskRole: VirtualDisk] = [:]
            for disk in try await driver.disks(of: machine) {
                guard let role = disk.role, role == .root || role == .ephemeral, let vdi = disk.vdi else { continue }
                disks[role] = VirtualDisk(
                    vdi, try await client.call("VDI.get_record", [.text(vdi)], "describe the guest's disks"))
            }
            for (role, gib) in [(DiskRole.root, move.flavor.rootGiB), (.ephemeral, move.flavor.ephemeralGiB)] {
                guard let disk = disks[role], gib > 0 || role == .ephemeral else { continue }
                if disk.bytes > UInt64(gib) << 30 {
                    throw .refused(
                        "The \(role.rawValue) disk of \((disk.bytes + (1 << 30) - 1) >> 30) GiB would have to "
                            + "shrink to \(gib) GiB.")
                }
            }
            try await driver.bringDown(machine, within: move.grace)
            let package = try await pack(guest, disks, move)
            // The name first: by it the machine is found whatever was done of the rest.
            _ = try await client.call(
                "VM.set_name_label", [.text(machine.reference), .text(guest.departedName)], "set a guest aside")
            try await driver.mark(machine.reference, [Mark.departed: guest.description, Mark.guest: ""])
            return package
        }
    }

    /// Where the destination is of this pool it sees the disks; else they become files.
    private func pack(_ guest: GuestID, _ disks: [DiskRole: VirtualDisk], _ move: ColdMove)
        async throws(DriverError) -> MovePackage
    {
        let pool = try await driver.poolIdentifier()
        let folder = "\(driver.host.stateDirectory)/moves/\(guest)"
        var isInPool = move.staysOnNode
        if !isInPool { isInPool = try await driver.hostOfNode(move.destination) != nil }
        var package = ColdPackage(pool: pool, disks: [:], folder: isInPool ? "" : folder)
        guard !isInPool else {
            for (role, disk) in disks { package.disks[role] = DiskCopy(vdi: disk.reference, bytes: disk.bytes) }
            return try package.package(files: [])
        }
        try? FileManager.default.removeItem(atPath: folder)
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw .insufficientResources("\(folder) cannot be made: \(error)")
        }
        return try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            let host = driver.host
            rollback.onFailure { try? FileManager.default.removeItem(atPath: folder) }
            var files: [FileOffer] = []
            for (role, disk) in disks.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                let path = "\(folder)/\(role.rawValue)"
                try await driver.transfers.read(
                    disk.reference, to: path, format: .vhd, at: driver.place.endpoint,
                    progress: driver.progress(of: guest, "exporting disk"))
                let offer = try await host.offerFile(path)
                rollback.onFailure { await host.withdrawFile(offer) }
                files.append(offer)
                package.disks[role] = DiskCopy(file: role.rawValue, bytes: disk.bytes)
            }
            return try package.package(files: files)
        }
    }

    func arrive(_ spec: GuestSpec, with package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
    {
        let contents = try ColdPackage(package)
        return try await driver.guestGate.pass(spec.id) { () async throws(DriverError) in
            if case .ours(let machine) = try await driver.presence(of: spec.id) {
                if machine.otherConfig[Mark.madeBy] == "\(call.operation)" {
                    if spec.isRunning { try await driver.bringUp(machine) }
                    return XenAPIDriver.handle(machine)
                }
                guard !machine.isComplete else { throw .refused("Guest \(spec.id) exists already.") }
            }
            // Numbers are checked here and not by name, because the machine that departed has the same number.
            if let removed = driver.removals.operation(of: spec.id), removed > call.operation {
                throw .stale("operation \(call.operation) on guest \(spec.id) comes after operation \(removed)")
            }
            try await driver.removeEverything(spec.id)
            let handle = try await take(contents, package.files, for: spec, call)
            driver.removals.forget(spec.id)
            return handle
        }
    }

    private func take(_ contents: ColdPackage, _ files: [FileOffer], for spec: GuestSpec, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
    {
        guard contents.folder.isEmpty else {
            return try await fetch(contents, files, for: spec, call)
        }
        guard try await driver.poolIdentifier() == contents.pool else {
            throw .refused("The server's disks are in another pool and were not offered as files.")
        }
        return try await driver.build(spec, call, from: .copies(contents.disks))
    }

    /// Brings disks from another pool into this one; they are only the source of the guest's own and gone afterwards.
    private func fetch(_ contents: ColdPackage, _ files: [FileOffer], for spec: GuestSpec, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
    {
        let repository = try await Repositories(client: client, place: driver.place).guests()
        var made: [DiskRole: DiskCopy] = [:]
        let result: Result<GuestHandle, DriverError>
        do throws(DriverError) {
            for (role, copy) in contents.disks {
                guard let offer = files.first(where: { $0.name == copy.file }) else {
                    throw .refused("The server's \(role.rawValue) disk was not offered as a file.")
                }
                let file = try ScratchFile(in: driver.host.stateDirectory, name: "arriving")
                driver.host.report(DriverProgress(guest: spec.id, phase: "fetching disk"))
                try await driver.host.fetchFile(offer, to: file.path)
                let image = try DiskImage.inspect(file.path, declared: "vhd")
                let disk = try await client.call(
                    "VDI.create",
                    [
                        GuestDisks.record(
                            name: DiskRole.snapshot.name(of: spec.id), in: repository.reference,
                            bytes: image.virtualBytes,
                            [Mark.guest: spec.id.description, Mark.role: DiskRole.snapshot.rawValue])
                    ], "make a disk for a guest that arrives"
                ).text
                made[role] = DiskCopy(vdi: disk, bytes: image.virtualBytes)
                try await driver.transfers.fill(
                    disk, from: file.path, format: image.format, at: driver.place.endpoint,
                    progress: driver.progress(of: spec.id, "importing disk"))
            }
            result = .success(try await driver.build(spec, call, from: .copies(made)))
        } catch {
            result = .failure(error)
        }
        let used = made.values.compactMap(\.vdi)
        await Task { for disk in used { try? await driver.destroyDisk(disk) } }.value
        return try result.get()
    }

    func confirmDeparture(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        try await driver.guestGate.pass(guest) { () async throws(DriverError) in
            try await driver.admit(call, guest)
            if let machine = try await driver.departedMachine(guest) { try await driver.remove(machine, of: guest) }
            await endOffers(package, guest)
        }
    }

    func abandonArrival(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        try await driver.guestGate.pass(guest) { () async throws(DriverError) in
            try await driver.admit(call, guest)
            try await driver.removeEverything(guest)
        }
    }

    func takeBack(_ spec: GuestSpec, _ package: MovePackage, _ call: DriverCall) async throws(DriverError)
        -> GuestHandle
    {
        try await driver.guestGate.pass(spec.id) { () async throws(DriverError) in
            try await driver.admit(call, spec.id)
            let machine: Machine
            if let departed = try await driver.departedMachine(spec.id) {
                if case .ours = try await driver.presence(of: spec.id) {
                    // It has arrived on this very node and was not abandoned: the older one is what is wanted.
                    try await driver.removeEverything(spec.id)
                }
                _ = try await client.call(
                    "VM.set_name_label", [.text(departed.reference), .text(spec.id.machineName)], "take a guest back")
                try await driver.mark(
                    departed.reference,
                    [
                        Mark.guest: spec.id.description, Mark.departed: "", Mark.operation: "\(call.operation)",
                    ])
                machine = departed
            } else {
                guard case .ours(let here) = try await driver.presence(of: spec.id) else {
                    throw .noSuchGuest(spec.id)
                }
                machine = here
            }
            await endOffers(package, spec.id)
            if spec.isRunning { try await driver.bringUp(machine) }
            return XenAPIDriver.handle(machine)
        }
    }

    private func endOffers(_ package: MovePackage, _ guest: GuestID) async {
        for offer in package.files { await driver.host.withdrawFile(offer) }
        try? FileManager.default.removeItem(atPath: "\(driver.host.stateDirectory)/moves/\(guest)")
    }
}

extension XenAPIDriver {
    /// The pool that this node's host is in.
    func poolIdentifier() async throws(DriverError) -> String {
        let pools = try await client.call("pool.get_all_records", [], "describe the pool").map
        return pools.values.map { $0["uuid"].text }.sorted().first ?? ""
    }

    /// The host of this pool that another node stands for; `nil` when it is of another pool. Nodes write their names on
    /// their hosts when they start.
    func hostOfNode(_ node: String) async throws(DriverError) -> String? {
        let hosts = try await client.call("host.get_all_records", [], "list the pool's hosts").map
        return hosts.first { $0.value["other_config"][Mark.node].text == node }?.key
    }
}

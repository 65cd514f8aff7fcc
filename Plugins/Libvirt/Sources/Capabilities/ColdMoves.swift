import ComputeModel
import DriverAPI
import DriverSupport
import FoundationEssentials
import Glibc

/// What the drivers of both sides tell each other of a guest's local disks.
struct ColdPackage: Hashable, Codable, Sendable {
    static let version = 1

    /// Tells whether the destination sees the source's files.
    var token: String
    /// `qcow2` or `raw`; `nil` for a guest that boots from a volume.
    var rootFormat: String?
    /// Name of the file in the image cache that the root disk leans on, and its format.
    var base: String?
    var baseFormat: String?

    /// Reads a package.
    init(_ package: MovePackage) throws(DriverError) {
        guard package.version == Self.version,
            let read = try? JSONDecoder().decode(Self.self, from: Data(package.data))
        else { throw .refused("the move was begun by a libvirt driver of another version") }
        self = read
    }

    init(token: String, rootFormat: String?, base: String?, baseFormat: String?) {
        (self.token, self.rootFormat, self.base, self.baseFormat) = (token, rootFormat, base, baseFormat)
    }

    func package(_ files: [FileOffer]) -> MovePackage {
        let data = (try? JSONEncoder().encode(self)).map { Array($0) } ?? []
        return MovePackage(version: Self.version, data: data, files: files)
    }
}

/// Moves guests that are off. The source sets the guest's directory aside as `…_resize`; the destination copies what
/// it sees there, or else fetches it from the source's host.
struct Resizing: ResizingGuests {
    let driver: LibvirtDriver

    var canStayOnNode: Bool { true }

    private func departed(_ guest: GuestID) -> GuestDirectory {
        GuestDirectory.departed(guest, in: driver.options.instancesPath)
    }

    func depart(
        _ guest: GuestID, _ move: ColdMove, _ call: DriverCall
    ) async throws(DriverError) -> MovePackage {
        try await driver.alone(with: guest) { () async throws(DriverError) -> MovePackage in
            let (directory, departed) = (driver.directory(of: guest), departed(guest))
            let aside = await driver.threads.run { isDirectory(directory.path) ? nil : departed.record() }
            if let aside {
                guard aside.operation <= call.operation else { throw .stale("guest \(guest) departed later") }
                // The offers of a host process that has ended are void: new ones are made.
                if let known = driver.departures.with({ $0[guest] }) { return known }
                return try await offer(guest, departed, aside)
            }
            try await driver.admit(call, guest)
            let held = try await driver.held(guest)
            let record = await driver.threads.run { directory.record() }
            guard let record, record.rescuedBy == nil else { throw .refused("guest \(guest) is in rescue") }
            guard !held.isSaved else { throw .refused("guest \(guest) is suspended; resume it first") }
            try await refuseShrinking(guest, move.flavor, directory)
            if held.isActive { _ = try await driver.goesDownByItself(guest, within: move.grace) }
            try await driver.pullThePlug(guest)
            return try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                rollback.onFailure {
                    await driver.threads.run { _ = rename(departed.path, directory.path) }
                    try? await driver.defineAgain(guest)
                }
                try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                    try connection.domain(guest)?.undefine(keepingFirmware: true)
                }
                try await driver.files { () throws(FileFailure) in
                    try moveDurably(directory.path, to: departed.path)
                }
                if Task.isCancelled { throw .cancelled }
                do throws(DriverError) {
                    return try await offer(guest, departed, record)
                } catch .notSupported(let text) {
                    guard move.staysOnNode else { throw .notSupported(text) }
                    return try await facts(departed, record).package([])
                }
            }
        }
    }

    private func refuseShrinking(
        _ guest: GuestID, _ flavor: FlavorSpec, _ directory: GuestDirectory
    ) async throws(DriverError) {
        if let root = try await driver.rootDisk(guest), flavor.rootGiB > 0,
            UInt64(flavor.rootGiB) << 30 < root.header.virtualSize
        {
            throw .refused(
                "the root disk of guest \(guest) has \(root.header.virtualSize) bytes and cannot shrink to "
                    + "\(flavor.rootGiB) GiB")
        }
        let ephemeral = await driver.threads.run { fileSize(directory.ephemeralDisk) }
        if let ephemeral, UInt64(clamping: flavor.ephemeralGiB) << 30 < ephemeral {
            throw .refused(
                "the ephemeral disk of guest \(guest) has \(ephemeral) bytes and cannot shrink to "
                    + "\(flavor.ephemeralGiB) GiB")
        }
    }

    /// What the destination needs to know of what was set aside.
    private func facts(
        _ departed: GuestDirectory, _ record: GuestDirectory.Record
    ) async throws(DriverError) -> ColdPackage {
        let format = await driver.rootFormat(in: departed)
        let header = await driver.threads.run { format.flatMap { DiskHeader(departed.rootDisk, $0) } }
        let name = header?.base.flatMap { $0.split(separator: "/").last }.map(String.init)
        let baseFormat = name?.split(separator: ".").last.map(String.init)
        return ColdPackage(
            token: record.token ?? "", rootFormat: format?.rawValue, base: name, baseFormat: baseFormat)
    }

    private func offer(
        _ guest: GuestID, _ departed: GuestDirectory, _ record: GuestDirectory.Record
    ) async throws(DriverError) -> MovePackage {
        let facts = try await facts(departed, record)
        var paths = [departed.ephemeralDisk, departed.firmwareVariables]
        if facts.rootFormat != nil { paths.append(departed.rootDisk) }
        if let base = facts.base { paths.append("\(driver.disks.cache.directory)/\(base)") }
        let package = facts.package(try await driver.offer(paths))
        driver.departures.with { $0[guest] = package }
        return package
    }

    func arrive(
        _ spec: GuestSpec, with package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> GuestHandle {
        let facts = try ColdPackage(package)
        return try await driver.alone(with: spec.id) { () async throws(DriverError) -> GuestHandle in
            try await driver.admit(call, spec.id)
            let (directory, departed) = (driver.directory(of: spec.id), departed(spec.id))
            let record = await driver.threads.run { directory.record() }
            switch try await driver.presence(of: spec.id) {
            case .foreign(let name): throw LibvirtDriver.foreign(spec.id, name)
            case .ours(let power) where record?.complete == true && record?.spawnedBy == call.operation:
                if spec.isRunning, power != .running { try await driver.startDomain(spec.id) }
                return GuestIdentity(spec.id).handle
            case .ours where record?.complete != false: throw .refused("guest \(spec.id) exists here already")
            case .ours, .absent:
                guard record?.complete != true else { throw .refused("guest \(spec.id) has disks here already") }
                try await driver.removeEverything(spec.id, directory)
            }
            let plan = try await driver.plan(spec)
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                let first = LibvirtDriver.newRecord(spec, call)
                rollback.onFailure { await driver.removeFiles(of: spec.id, directory) }
                try await driver.files { () throws(FileFailure) in
                    try directory.create()
                    try directory.write(first)
                }
                driver.host.report(DriverProgress(guest: spec.id, phase: "bringing disks"))
                let seen = await driver.threads.run { departed.record()?.token } == facts.token
                var local = LocalDisks(hasEphemeral: false, hasSwap: false, hasConfigDrive: false)
                let names = [directory.rootDisk, directory.ephemeralDisk, directory.firmwareVariables]
                for path in names {
                    let name = String(path.dropFirst(directory.path.count + 1))
                    try await bring(name, to: path, seen ? "\(departed.path)/\(name)" : nil, package)
                }
                if let text = facts.rootFormat, let format = DiskFormat(rawValue: text) {
                    try await ready(directory, format, facts, package, spec.flavor)
                    local.root = format
                }
                if spec.flavor.ephemeralGiB > 0 {
                    let size = UInt64(clamping: spec.flavor.ephemeralGiB) << 30
                    try await driver.files { () throws(FileFailure) in
                        guard let now = fileSize(directory.ephemeralDisk), now < size else { return }
                        guard truncate(directory.ephemeralDisk, off_t(clamping: size)) == 0 else {
                            throw FileFailure(call: "grow \(directory.ephemeralDisk)", number: errno)
                        }
                    }
                }
                try await driver.makeOtherDisks(spec, directory, &local)
                try await driver.establish(spec, plan, local, call, directory)
            }
            return GuestIdentity(spec.id).handle
        }
    }

    /// Copies or fetches one of the guest's files; does nothing where the source has no such file.
    private func bring(
        _ name: String, to path: String, _ seen: String?, _ package: MovePackage
    ) async throws(DriverError) {
        if let seen {
            guard await driver.threads.run({ exists(seen) }) else { return }
            return try await driver.copyFile(seen, to: path)
        }
        guard let offer = package.files.first(where: { $0.name == name }) else { return }
        try await driver.host.fetchFile(offer, to: path)
    }

    /// Puts the root disk on its base here, and grows it.
    private func ready(
        _ directory: GuestDirectory, _ format: DiskFormat, _ facts: ColdPackage, _ package: MovePackage,
        _ flavor: FlavorSpec
    ) async throws(DriverError) {
        if let base = facts.base, let baseFormat = facts.baseFormat.flatMap({ DiskFormat(rawValue: $0) }) {
            let offer = package.files.first { $0.name == base }
            try await driver.disks.cache.withFile(base, offer: offer) { path async throws(DriverError) in
                try await driver.disks.qemuImg.rebase(directory.rootDisk, onto: path, baseFormat)
            }
        }
        let size = await driver.threads.run { DiskHeader(directory.rootDisk, format)?.virtualSize }
        guard let size else { throw .failed("the root disk did not come along: \(directory.rootDisk)") }
        let wanted = UInt64(clamping: flavor.rootGiB) << 30
        if wanted > size { try await driver.disks.qemuImg.grow(directory.rootDisk, format, to: wanted) }
    }

    func confirmDeparture(
        of guest: GuestID, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) {
        let facts = try ColdPackage(package)
        try await driver.alone(with: guest) { () async throws(DriverError) in
            try await driver.admit(call, guest)
            let (directory, departed) = (driver.directory(of: guest), departed(guest))
            await withdraw(guest, package)
            try await driver.files { () throws(FileFailure) in
                if departed.record()?.token == facts.token { try removeTree(departed.path) }
            }
            let removed = driver.removed
            try await driver.files { () throws(FileFailure) in
                if !isDirectory(directory.path) { try removed.note(guest, operation: call.operation) }
            }
        }
    }

    func abandonArrival(
        of guest: GuestID, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) {
        let facts = try ColdPackage(package)
        try await driver.alone(with: guest) { () async throws(DriverError) in
            try await driver.admit(call, guest)
            if case .foreign(let name) = try await driver.presence(of: guest) {
                throw LibvirtDriver.foreign(guest, name)
            }
            let directory = driver.directory(of: guest)
            // What the source has taken back on this very node is not what arrived.
            if await driver.threads.run({ directory.record()?.token }) == facts.token { return }
            try await driver.removeEverything(guest, directory)
            let removed = driver.removed
            try await driver.files { () throws(FileFailure) in try removed.note(guest, operation: call.operation) }
        }
    }

    func takeBack(
        _ spec: GuestSpec, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> GuestHandle {
        let facts = try ColdPackage(package)
        let guest = spec.id
        return try await driver.alone(with: guest) { () async throws(DriverError) -> GuestHandle in
            try await driver.admit(call, guest)
            let (directory, departed) = (driver.directory(of: guest), departed(guest))
            let tokens = await driver.threads.run { (directory.record()?.token, departed.record()?.token) }
            if tokens.1 == facts.token {
                guard tokens.0 == nil else {
                    throw .refused("what arrived of guest \(guest) is still here; abandon it first")
                }
                try await driver.files { () throws(FileFailure) in
                    try removeTree(directory.path)
                    try moveDurably(departed.path, to: directory.path)
                }
            } else if tokens.0 != facts.token {
                throw .noSuchGuest(guest)
            }
            await withdraw(guest, package)
            if case .ours(let power) = try await driver.presence(of: guest) {
                if spec.isRunning, power != .running { try await driver.startDomain(guest) }
                return GuestIdentity(guest).handle
            }
            let plan = try await driver.plan(spec)
            let local = try await driver.existingDisks(spec, directory)
            try await driver.establish(spec, plan, local, call, directory)
            return GuestIdentity(guest).handle
        }
    }

    private func withdraw(_ guest: GuestID, _ package: MovePackage) async {
        for file in package.files { await driver.host.withdrawFile(file) }
        driver.departures.with { _ = $0.removeValue(forKey: guest) }
    }
}

extension LibvirtDriver {
    /// Form of the root disk in a guest's directory, by the definition kept there; `nil` for a guest without one.
    func rootFormat(in directory: GuestDirectory) async -> DiskFormat? {
        await threads.run {
            guard exists(directory.rootDisk) else { return nil }
            let text = try? readText(directory.definition, bytesMax: 1 << 20)
            guard let root = text.flatMap({ try? XMLReader.parse($0) }) else { return nil }
            let disk = GuestDocument(root).disks.first { $0.child("source")?["file"]?.hasSuffix("/disk") == true }
            return disk?.child("driver")?["type"].flatMap { DiskFormat(rawValue: $0) }
        }
    }

    /// The local disks that are there, with a new configuration drive.
    func existingDisks(_ spec: GuestSpec, _ directory: GuestDirectory) async throws(DriverError) -> LocalDisks {
        var local = LocalDisks(
            root: await rootFormat(in: directory), hasEphemeral: false, hasSwap: false, hasConfigDrive: false)
        if spec.bootVolume == nil, local.root == nil {
            throw .refused("the root disk of guest \(spec.id) is not in \(directory.path)")
        }
        try await makeOtherDisks(spec, directory, &local)
        return local
    }

    /// Lets another node fetch those of the files that exist; all or none.
    func offer(_ paths: [String]) async throws(DriverError) -> [FileOffer] {
        var files: [FileOffer] = []
        for path in paths where await threads.run({ exists(path) }) {
            do throws(DriverError) {
                files.append(try await host.offerFile(path))
            } catch {
                for file in files { await host.withdrawFile(file) }
                throw error
            }
        }
        return files
    }

    /// Copies a file with its holes, sharing blocks where the file system can.
    func copyFile(_ source: String, to target: String) async throws(DriverError) {
        do throws(Subprocess.Failure) {
            _ = try await Subprocess(
                "cp", ["--sparse=always", "--reflink=auto", source, target], timeout: options.conversionTimeout
            ).run(on: threads)
        } catch .cancelled {
            throw .cancelled
        } catch {
            let text = error.message
            if text.contains("No space left") { throw .insufficientResources(text) }
            throw .failed(text)
        }
    }
}

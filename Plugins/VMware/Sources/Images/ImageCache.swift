import ComputeModel
import DriverAPI
import FoundationEssentials

/// An image on a datastore, ready for guests.
struct StoredImage: Hashable, Sendable {
    /// The disk or CD-ROM.
    let file: DatastorePath
    let facts: Facts

    /// What stands beside the image.
    struct Facts: Hashable, Codable, Sendable {
        var image: ImageID
        /// Size of the disk that it describes.
        var diskBytes: UInt64
        /// What it takes on the datastore, as far as was known.
        var storedBytes: UInt64
        var isCDROM: Bool
        /// When it was fetched.
        var since: Timestamp
    }
}

/// Keeps images on datastores: fetched once, inspected, brought into vSphere's own form and published by a rename, so
/// that nobody ever sees half an image. Nodes that share a datastore share the images.
///
///     [datastore] _base/<image>/<image>.vmdk        the disk (`.iso` for a CD-ROM)
///     [datastore] _base/<image>/image.json          its facts
///     [datastore] _base/<image>/used-<node>.json    when this node last needed it
///     [datastore] _base/<image>/<image>.<n>.vmdk    grown to n GiB, for linked clones
///     [datastore] _base.tmp/<cluster>/…             work in progress, removed when the driver starts
struct ImageCache: Sendable {
    let client: VCenterClient
    let files: DatastoreFiles
    let tasks: TaskRunner
    let cluster: Cluster
    let host: any DriverHost
    /// Folder of cached images on each datastore.
    let folderName: String
    let locks = KeyedLocks<String>()

    init(
        _ client: VCenterClient, _ files: DatastoreFiles, _ tasks: TaskRunner, _ cluster: Cluster,
        host: any DriverHost, folderName: String
    ) {
        (self.client, self.files, self.tasks, self.cluster) = (client, files, tasks, cluster)
        (self.host, self.folderName) = (host, folderName)
    }

    private var staging: String { host.stateDirectory + "/staging" }
    func base(_ datastore: String) -> DatastorePath { DatastorePath(datastore, folderName) }
    private func workFolder(_ datastore: String) -> DatastorePath {
        DatastorePath(datastore, "\(folderName).tmp/\(cluster.reference.value)")
    }
    /// A folder for work in progress, with a name that nobody else has.
    func workPlace(_ datastore: String) -> DatastorePath {
        workFolder(datastore).appending(UUIDValue.random().description)
    }
    func folder(_ image: ImageID, _ datastore: String) -> DatastorePath {
        base(datastore).appending(image.description)
    }

    /// Removes what an earlier process left unfinished.
    func sweep(_ datastores: [DatastoreFacts]) async {
        try? FileManager.default.removeItem(atPath: staging)
        for datastore in datastores {
            do throws(VimFailure) {
                try await files.remove(workFolder(datastore.name))
            } catch {
                host.log(
                    .warning, "leftovers cannot be removed",
                    ["folder": workFolder(datastore.name).description, "reason": error.driverError.message])
            }
        }
    }

    /// The image on a datastore, fetched if it is not there.
    func image(
        _ image: ImageSpec, _ plan: MachinePlan, on datastore: String, for guest: GuestID?
    ) async throws(VimFailure) -> StoredImage {
        try ImageInspection.checkFormat(of: image)
        return try await locks.alone("\(image.id)@\(datastore)") { () async throws(VimFailure) in
            var found = try await self.stored(image.id, datastore)
            if found == nil { found = try await self.fetch(image, plan, datastore, guest) }
            guard let found else {
                throw .driver(.failed("image \(image.id) is not on datastore \(datastore) although it was stored"))
            }
            // While nobody else of this process can remove it.
            try await self.touch(image.id, datastore)
            return found
        }
    }

    /// The image's facts as they stand on the datastore; `nil` when it is not there.
    func stored(_ image: ImageID, _ datastore: String) async throws(VimFailure) -> StoredImage? {
        let folder = folder(image, datastore)
        let path = folder.appending("image.json")
        let answer = try await client.transfer(
            DriverHTTPRequest(
                "GET", path.url(client.endpoint.base, datacenterPath: files.datacenterPath),
                sink: .memory(bytesMax: 1 << 16)))
        if answer.status == 404 { return nil }
        guard answer.status == 200 else { throw DatastoreFiles.failure(answer, "read \(path)") }
        guard let facts = try? JSONDecoder().decode(StoredImage.Facts.self, from: Data(answer.body)) else {
            throw .driver(.failed("\(path) cannot be read as an image's facts; remove the folder to fetch it anew"))
        }
        let suffix = facts.isCDROM ? "iso" : "vmdk"
        return StoredImage(file: folder.appending("\(image).\(suffix)"), facts: facts)
    }

    /// Notes that the image is needed, for ageing.
    private func touch(_ image: ImageID, _ datastore: String) async throws(VimFailure) {
        try await files.upload(
            .bytes(Array("{\"used\":\(Timestamp.now().microseconds)}".utf8)),
            to: folder(image, datastore).appending("used-\(cluster.reference.value).json"))
    }

    /// A disk of the image grown to a size, for linked clones, which cannot grow by themselves.
    func grown(
        _ stored: StoredImage, toGiB gib: Int, purpose: TaskRunner.Purpose?
    ) async throws(VimFailure) -> DatastorePath {
        let name = "\(stored.facts.image).\(gib)"
        let target = stored.file.folder.appending("\(name).vmdk")
        return try await locks.alone(target.description) { () async throws(VimFailure) in
            if try await self.exists(target) { return target }
            let partial = stored.file.folder.appending("\(name).\(UUIDValue.random()).vmdk")
            try await withRollback { (rollback: inout Rollback) async throws(VimFailure) in
                rollback.onFailure { [files] in try? await files.removeDisk(partial) }
                try await files.copyDisk(stored.file, to: partial, purpose)
                try await files.extendDisk(partial, toKiB: gib << 20)
                do throws(VimFailure) {
                    try await files.moveDisk(partial, to: target)
                } catch where error.kind == .fileAlreadyExists {
                    try await files.removeDisk(partial)  // another node was faster
                }
            }
            return target
        }
    }

    private func exists(_ path: DatastorePath) async throws(VimFailure) -> Bool {
        let answer = try await client.transfer(
            DriverHTTPRequest(
                "HEAD", path.url(client.endpoint.base, datacenterPath: files.datacenterPath),
                sink: .memory(bytesMax: 1 << 16)))
        if answer.status == 404 { return false }
        guard answer.status == 200 else { throw DatastoreFiles.failure(answer, "look at \(path)") }
        return true
    }
}

extension ImageCache {
    private func fetch(
        _ image: ImageSpec, _ plan: MachinePlan, _ datastore: String, _ guest: GuestID?
    ) async throws(VimFailure) -> StoredImage? {
        let local = "\(staging)/\(UUIDValue.random())"
        do {
            try FileManager.default.createDirectory(atPath: staging, withIntermediateDirectories: true)
        } catch {
            throw .driver(.failed("\(staging) cannot be made: \(error)"))
        }
        defer { try? FileManager.default.removeItem(atPath: local) }
        if let guest { host.report(DriverProgress(guest: guest, phase: "fetching image")) }
        do throws(DriverError) { try await host.fetchImage(image, to: local) } catch { throw .driver(error) }
        let (content, length) = try await onOwnThread { _ throws(VimFailure) in
            (try ImageInspection.inspect(local, declared: image), try LocalFile(reading: local).length)
        }
        if let guest { host.report(DriverProgress(guest: guest, phase: "storing image")) }
        let work = workPlace(datastore)
        var isCDROM = false
        if case .iso = content { isCDROM = true }
        let facts = StoredImage.Facts(
            image: image.id, diskBytes: content.diskBytes, storedBytes: length, isCDROM: isCDROM, since: .now())
        let target = folder(image.id, datastore)
        try await withRollback { (rollback: inout Rollback) async throws(VimFailure) in
            rollback.onFailure { [files] in try? await files.remove(work) }
            try await files.makeFolder(work)
            let name = work.appending("\(image.id).\(isCDROM ? "iso" : "vmdk")")
            try await store(local, content, as: name, plan, guest)
            guard let description = try? JSONEncoder().encode(facts) else {
                throw .driver(.failed("the facts of image \(image.id) cannot be written"))
            }
            try await files.upload(.bytes(Array(description)), to: work.appending("image.json"))
            try await files.makeFolder(base(datastore))
            do throws(VimFailure) {
                try await files.move(work, to: target)
            } catch where error.kind == .fileAlreadyExists {
                if try await stored(image.id, datastore) != nil {
                    try await files.remove(work)  // another node was faster
                } else {
                    // What is left of an image that another node removed.
                    try await files.remove(target)
                    try await files.move(work, to: target)
                }
            }
        }
        return try await stored(image.id, datastore)
    }

    /// Brings a file of this host to a datastore as a disk that guests can use.
    private func store(
        _ local: String, _ content: ImageContent, as name: DatastorePath, _ plan: MachinePlan, _ guest: GuestID?
    ) async throws(VimFailure) {
        switch content {
        case .iso: try await files.upload(local, to: name)
        case .flat(let bytes):
            // The server makes the descriptor; its empty content gives way to ours.
            let kib = Int((bytes + 1023) / 1024)
            try await files.createDisk(name, kib: kib, adapter: plan.adapter, isThin: plan.isThin)
            try await files.remove(name.flat)
            try await files.upload(local, to: name.flat)
        case .sparse:
            // ESX cannot run hosted disks; its copying turns them into its own.
            let hosted = name.folder.appending("hosted.vmdk")
            try await files.upload(local, to: hosted)
            try await files.copyDisk(hosted, to: name, guest.map { .init(guest: $0, phase: "converting image") })
            try await files.remove(hosted)
        case .streamOptimized(let bytes):
            try await LeaseImport(client: client, files: files, tasks: tasks, cluster: cluster, host: host)
                .importDisk(local, kib: Int((bytes + 1023) / 1024), adapter: plan.adapter, as: name, for: guest)
        }
    }
}

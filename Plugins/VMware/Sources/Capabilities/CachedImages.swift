import ComputeModel
import DriverAPI
import FoundationEssentials

/// Shows, fills and clears the images on the datastores.
struct CachedImages: CachingImages {
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    func cachedImages() async throws(DriverError) -> [CachedImage] {
        let driver = try parts.driver()
        return try await driver.serve { () async throws(VimFailure) in
            var merged: [ImageID: CachedImage] = [:]
            for datastore in driver.allowedDatastores {
                for found in try await images(on: datastore, driver) {
                    guard let known = merged[found.image] else {
                        merged[found.image] = found
                        continue
                    }
                    merged[found.image] = CachedImage(
                        image: found.image, bytes: known.bytes + found.bytes, guests: known.guests + found.guests,
                        lastUsed: max(known.lastUsed, found.lastUsed))
                }
            }
            return merged.values.sorted { $0.image < $1.image }
        }
    }

    func cache(_ image: ImageSpec) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.serve { () async throws(VimFailure) in
            let plan = try MachinePlan(image, [:], usesLinkedClones: driver.options.usesLinkedClones)
            let datastore = try driver.source.datastore(
                driver.watch.mirror, needing: UInt64(max(0, image.sizeBytes)))
            _ = try await driver.images.image(image, plan, on: datastore.name, for: nil)
        }
    }

    @discardableResult
    func removeImages(unusedFor age: Duration) async throws(DriverError) -> [CachedImage] {
        let driver = try parts.driver()
        return try await driver.serve { () async throws(VimFailure) in
            var removed: [CachedImage] = []
            for datastore in driver.allowedDatastores {
                for found in try await images(on: datastore, driver) where found.guests == 0 {
                    let folder = driver.images.folder(found.image, datastore.name)
                    let isGone = try await driver.images.locks.alone("\(found.image)@\(datastore.name)") {
                        () async throws(VimFailure) in
                        // A guest may have come for it since the list was made.
                        let now = try await images(on: datastore, driver).first { $0.image == found.image }
                        guard let now, now.guests == 0, Timestamp.now() - now.lastUsed >= age else { return false }
                        try await driver.files.remove(folder)
                        return true
                    }
                    if isGone { removed.append(found) }
                }
            }
            return removed
        }
    }

    /// The images on one datastore.
    private func images(on datastore: DatastoreFacts, _ driver: VMwareDriver) async throws(VimFailure) -> [CachedImage]
    {
        let base = driver.images.base(datastore.name)
        guard let folders = try await driver.files.list(base, on: datastore.reference) else { return [] }
        let leaning = try await self.leaning(on: datastore, driver)
        var found: [CachedImage] = []
        for entry in folders {
            guard let image = ImageID(entry.name), let stored = try await driver.images.stored(image, datastore.name)
            else { continue }
            let folder = driver.images.folder(image, datastore.name)
            let files = try await driver.files.list(folder, on: datastore.reference) ?? []
            var lastUsed = stored.facts.since
            for file in files where file.name.hasPrefix("used-") {
                if let time = try await driver.images.lastUse(folder.appending(file.name)) {
                    lastUsed = max(lastUsed, time)
                }
            }
            let guests = leaning.filter { $0.contains { $0.path.hasPrefix(folder.path + "/") } }.count
            let bytes = max(stored.facts.storedBytes, files.reduce(0) { $0 + $1.bytes })
            found.append(CachedImage(image: image, bytes: bytes, guests: guests, lastUsed: lastUsed))
        }
        return found
    }

    /// What each machine on a datastore leans on, whosever it is and in whichever cluster.
    private func leaning(
        on datastore: DatastoreFacts, _ driver: VMwareDriver
    ) async throws(VimFailure) -> [Set<DatastorePath>] {
        let query = PropertyQuery(
            paths: ["VirtualMachine": ["config.hardware.device"]], roots: [datastore.reference],
            steps: [.init(name: "machines", type: "Datastore", path: "vm", next: [])])
        return try await driver.client.retrieve(query, pageMax: driver.options.objectsMax).map { machine in
            Set((machine["config.hardware.device"]?.children ?? []).flatMap { Device($0).chain })
        }
    }
}

extension Device {
    /// The file of a disk or CD-ROM and all that it leans on.
    var chain: [DatastorePath] {
        var found: [DatastorePath] = []
        var backing = specification["backing"]
        while let now = backing {
            if let file = now.string("fileName").flatMap({ DatastorePath($0) }) { found.append(file) }
            backing = now["parent"]
        }
        return found
    }
}

extension VMwareDriver {
    var allowedDatastores: [DatastoreFacts] { watch.mirror.datastores.filter { options.allows($0) } }
}

extension ImageCache {
    private struct Use: Codable {
        var used: Int64
    }

    /// When a node last needed an image, from the file that says so.
    func lastUse(_ path: DatastorePath) async throws(VimFailure) -> Timestamp? {
        let answer = try await client.transfer(
            DriverHTTPRequest(
                "GET", path.url(client.endpoint.base, datacenterPath: files.datacenterPath),
                sink: .memory(bytesMax: 1 << 12)))
        guard answer.status == 200, let use = try? JSONDecoder().decode(Use.self, from: Data(answer.body)) else {
            return nil
        }
        return Timestamp(microseconds: use.used)
    }
}

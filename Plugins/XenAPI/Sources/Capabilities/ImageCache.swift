import ComputeModel
import DriverAPI
import Glibc

/// Images kept as disks to clone from. A clone does not need the disk that it was made from, because both lean on a
/// hidden parent that the server keeps as long as one of them is there.
struct ImageCache: CachingImages {
    let driver: XenAPIDriver

    private func images() async throws(DriverError) -> Images {
        Images(driver: driver, repository: try await Repositories(client: driver.client, place: driver.place).guests())
    }

    func cachedImages() async throws(DriverError) -> [CachedImage] { try await images().all().map(\.image) }

    func cache(_ image: ImageSpec) async throws(DriverError) { _ = try await images().cached(image) }

    @discardableResult
    func removeImages(unusedFor age: Duration) async throws(DriverError) -> [CachedImage] {
        let images = try await images()
        try await images.removeStrayClones()
        let oldest = Timestamp(seconds: Int64(time(nil)))
        var removed: [CachedImage] = []
        for (disk, image) in try await images.all() where image.guests == 0 && oldest - image.lastUsed >= age {
            let isRemoved = try await driver.imageGate.pass(image.image) { () async throws(DriverError) in
                // Somebody may have needed it since the list was made.
                let now = try await driver.client.call(
                    "VDI.get_other_config", [.text(disk.reference)], accepting: ["HANDLE_INVALID"], "look at an image")
                guard let now, now[Mark.lastUsed].text == disk.otherConfig[Mark.lastUsed] else { return false }
                try await driver.destroyDisk(disk.reference)
                return true
            }
            if isRemoved { removed.append(image) }
        }
        return removed
    }
}

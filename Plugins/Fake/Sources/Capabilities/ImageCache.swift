import ComputeModel
import DriverAPI

/// The node's images.
struct ImageCache: CachingImages {
    let hypervisor: Hypervisor

    func cachedImages() async throws(DriverError) -> [CachedImage] {
        try await hypervisor.enter(.cachedImages)
        return hypervisor.images.list(hypervisor.imagesInUse)
    }

    func cache(_ image: ImageSpec) async throws(DriverError) {
        try await hypervisor.enter(.cacheImage, "image \(image.id)")
        try hypervisor.rules.check(image)
        try await hypervisor.images.fetch(image)
    }

    @discardableResult
    func removeImages(unusedFor age: Duration) async throws(DriverError) -> [CachedImage] {
        try await hypervisor.enter(.removeImages)
        let hypervisor = hypervisor
        return try await hypervisor.images.remove(unusedFor: age) { hypervisor.imagesInUse }
    }
}

extension Hypervisor {
    /// How many guests lean on each image, those in rescue on that image too.
    var imagesInUse: [ImageID: Int] {
        world.read { state in
            var counts: [ImageID: Int] = [:]
            for guest in state.guests.values {
                if let image = guest.image { counts[image, default: 0] += 1 }
                if let image = guest.rescue?.image { counts[image, default: 0] += 1 }
            }
            return counts
        }
    }
}

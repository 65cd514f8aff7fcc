import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Images kept on the node.
    static let imageCacheCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.imageCache)]
        list.add(
            "image-cache.cache", .cacheImages, "An image is fetched before a guest needs it, once", needs: needs,
            guests: 0, quick: true
        ) { bench in
            let (cache, image) = (try bench.imageCache(), bench.subject.host.offerAgain(bench.subject.images.boot))
            let fetches = bench.subject.host.fetches
            try await cache.cache(image)
            try await cache.cache(image)
            let kept = try await cache.cachedImages().filter { $0.image == image.id }
            try check(kept.count == 1, "the image is kept \(kept.count) times")
            try check(kept.first?.guests == 0, "\(kept.first?.guests ?? 0) guests lean on an image that none has")
            try check(bench.subject.host.fetches == fetches + 1, "the image was not fetched once")
            try await cache.removeImages(unusedFor: .zero)
        }
        list.add(
            "image-cache.unavailable", .cacheImages, "An image that cannot be fetched leaves nothing", needs: needs,
            guests: 0
        ) { bench in
            var image = bench.subject.images.boot
            image.id = .random()
            let (cache, missing) = (try bench.imageCache(), image)
            try await expectError([.imageUnavailable], from: "caching an image that is not there") {
                try await cache.cache(missing)
            }
            let isKept = try await cache.cachedImages().contains { $0.image == missing.id }
            try check(!isKept, "an image that could not be fetched is kept")
        }
        list.add(
            "image-cache.ageing", .cacheImages, "Only images that are old enough are removed", needs: needs, guests: 0
        ) {
            bench in
            let (cache, image) = (try bench.imageCache(), bench.subject.host.offerAgain(bench.subject.images.boot))
            try await cache.cache(image)
            let early = try await cache.removeImages(unusedFor: .seconds(86_400))
            try check(!early.contains { $0.image == image.id }, "an image was removed as old that is new")
            let isKept = try await cache.cachedImages().contains { $0.image == image.id }
            try check(isKept, "an image is gone that is new")
            let late = try await cache.removeImages(unusedFor: .zero)
            try check(late.contains { $0.image == image.id }, "an image that nobody needs was not removed")
            let isThere = try await cache.cachedImages().contains { $0.image == image.id }
            try check(!isThere, "an image that was removed is kept")
        }
        list.add(
            "image-cache.in-use", .cacheImages, "An image that a guest leans on is counted and not removed",
            needs: needs
        ) { bench in
            let (cache, image) = (try bench.imageCache(), bench.subject.host.offerAgain(bench.subject.images.boot))
            try await cache.cache(image)
            let guest = try await bench.spawn { $0.image = image }
            let kept = try await cache.cachedImages().first { $0.image == image.id }
            guard let kept, kept.guests > 0 else {
                throw CaseSkip.notShown("guests do not lean on the images that they were made from")
            }
            let removed = try await cache.removeImages(unusedFor: .zero)
            try check(!removed.contains { $0.image == image.id }, "an image was removed that a guest leans on")
            let isThere = try await cache.cachedImages().contains { $0.image == image.id }
            try check(isThere, "an image is gone that a guest leans on")
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after ageing and a reboot")
            try await bench.driver.destroy(guest.id, bench.call())
            let later = try await cache.removeImages(unusedFor: .zero)
            try check(later.contains { $0.image == image.id }, "an image was not removed after its guest")
        }
        list.add(
            "image-cache.used-by-spawn", .cacheImages, "A spawn from a cached image does not fetch it again",
            needs: needs
        ) { bench in
            let (cache, image) = (try bench.imageCache(), bench.subject.host.offerAgain(bench.subject.images.boot))
            try await cache.cache(image)
            let fetches = bench.subject.host.fetches
            _ = try await bench.spawn { $0.image = image }
            try check(bench.subject.host.fetches == fetches, "a cached image was fetched again")
        }
        list.add(
            "image-cache.restart", .cacheImages, "Cached images are known after a restart of the driver", needs: needs,
            guests: 0
        ) { bench in
            let image = bench.subject.host.offerAgain(bench.subject.images.boot)
            try await bench.imageCache().cache(image)
            try await bench.node.restart()
            let cache = try bench.imageCache()
            let isKept = try await cache.cachedImages().contains { $0.image == image.id }
            try check(isKept, "after a restart a cached image is not known")
            try await cache.removeImages(unusedFor: .zero)
        }
        return list.cases
    }()

    /// The node itself.
    static let hostCases: [ConformanceCase] = {
        var list = CaseList()
        addMaintenanceCases(&list)
        addPowerCases(&list)
        return list.cases
    }()

    private static func addMaintenanceCases(_ list: inout CaseList) {
        let needs = [ConformanceNeed.capability(.hostMaintenance)]
        list.add(
            "host-maintenance.enter", .maintenanceMode, "A node enters and leaves maintenance, each also twice",
            needs: needs, guests: 0, shared: .excludes, quick: true
        ) { bench in
            let host = try bench.maintenance()
            for isWanted in [true, true, false, false] {
                let call = bench.call()
                try await doing(isWanted ? "entering maintenance" : "leaving maintenance") {
                    try await host.setMaintenance(isWanted, call)
                }
                let isSo = try await host.isInMaintenance()
                try check(isSo == isWanted, "after setMaintenance(\(isWanted)) the node says \(isSo)")
            }
        }
        list.add(
            "host-maintenance.guests", .maintenanceMode,
            "Entering maintenance moves the guests away, or is refused while guests run", needs: needs,
            shared: .excludes
        ) { bench in
            let (guest, host) = (try await bench.spawn(), try bench.maintenance())
            // It may be moved to the other node, where it must be removed.
            if let other = bench.otherNode { bench.track(guest.id, on: other) }
            do {
                try await host.setMaintenance(true, bench.call())
            } catch {
                let isTyped = [.refused, .busy].contains(ErrorKind.of(error))
                try check(isTyped, "maintenance with a running guest threw \(told(error))")
                try await bench.expectPower([.running], of: guest.id, "after a refused maintenance")
                let isSo = try await host.isInMaintenance()
                return try check(!isSo, "maintenance was refused, and the node is in it")
            }
            let power = try await bench.power(of: guest.id)
            try await host.setMaintenance(false, bench.call())
            try check(power != .running, "the node is in maintenance, and a guest runs on it")
        }
        list.add(
            "host-maintenance.spawn", .maintenanceMode, "A node in maintenance takes no guest", needs: needs,
            shared: .excludes
        ) { bench in
            let host = try bench.maintenance()
            try await host.setMaintenance(true, bench.call())
            let spec = bench.makeSpec()
            bench.track(spec.id)
            let (driver, call) = (bench.driver, bench.call())
            do {
                try await expectError([.insufficientResources, .refused], from: "spawning on a node in maintenance") {
                    _ = try await driver.spawn(spec, call)
                }
            } catch {
                try await host.setMaintenance(false, bench.call())
                throw error
            }
            try await host.setMaintenance(false, bench.call())
            _ = try await bench.spawn()
        }
        list.add(
            "host-maintenance.restart", .maintenanceMode, "Maintenance lasts when the driver is restarted",
            needs: needs,
            guests: 0, shared: .excludes
        ) { bench in
            try await bench.maintenance().setMaintenance(true, bench.call())
            try await bench.node.restart()
            let isSo = try await bench.maintenance().isInMaintenance()
            try await bench.maintenance().setMaintenance(false, bench.call())
            try check(isSo, "after a restart the node is no longer in maintenance")
        }
    }

    private static func addPowerCases(_ list: inout CaseList) {
        let needs = [ConformanceNeed.capability(.hostPower)]
        list.add(
            "host-power.off-and-on", nil, "A node that is turned off is unhealthy, and healthy when it is on again",
            needs: needs, parts: [.hostPower], guests: 0, shared: .excludes, deadline: .seconds(120)
        ) { bench in
            let power = try unwrap(bench.capabilities.hostPower, "no control of the node's power")
            try await power.shutDownHost()
            try await bench.expectHealth(healthy: false, "after the node was turned off")
            let driver = bench.driver
            try await expectError([.unreachable], from: "guests on a node that is off") {
                _ = try await driver.guests()
            }
            try await power.startUp()
            try await bench.expectHealth(healthy: true, "after the node was turned on")
            _ = try await bench.guests()
        }
        list.add(
            "host-power.reboot", nil, "A node that is rebooted is healthy again", needs: needs, parts: [.hostPower],
            guests: 0, shared: .excludes, deadline: .seconds(120)
        ) { bench in
            let power = try unwrap(bench.capabilities.hostPower, "no control of the node's power")
            try await power.reboot()
            try await bench.expectHealth(healthy: true, "after a reboot of the node")
            try await bench.node.recover()
            _ = try await bench.guests()
        }
    }
}

extension Bench {
    func imageCache() throws -> any CachingImages { try unwrap(capabilities.imageCache, "no image cache") }
    func maintenance() throws -> any MaintainingHost { try unwrap(capabilities.hostMaintenance, "no maintenance") }
}

import ComputeModel
import DriverAPI
import Logging

/// Removes what drivers keep for next guests and nobody has needed for long.
extension ComputeAgent {
    func watchImageCache() async {
        guard let cache = supervisor.capabilities.imageCache, let age = options.unusedImageAge,
            options.imageCacheInterval > .zero
        else { return }
        while !Task.isCancelled {
            do { try await Task.sleep(for: options.imageCacheInterval) } catch { return }
            await removeImages(unusedFor: age, from: cache)
        }
    }

    private func removeImages(unusedFor age: Duration, from cache: any CachingImages) async {
        do {
            let removed = try await supervisor.call(.removeImages) { _ throws(DriverError) in
                try await cache.removeImages(unusedFor: age)
            }
            guard !removed.isEmpty else { return }
            let bytes = removed.reduce(UInt64(0)) { $0.addingReportingOverflow($1.bytes).partialValue }
            logger.info(
                "images removed that no guest needs",
                metadata: ["images": "\(removed.count)", "bytes": "\(bytes)", "unused_for": "\(age)"])
        } catch {
            logger.warning("the image cache cannot be looked through", metadata: ["error": "\(error.message)"])
        }
    }
}

public import ComputeModel
public import DriverAPI
import Foundation

/// A host for tests and for `kilonovad driver verify`: images are files that were offered to it, what drivers store is
/// kept in a folder, and files are lent by their path.
public final class ScratchHost: DriverHost {
    /// Carries out a driver's HTTP exchanges.
    public typealias Exchange = @Sendable (DriverHTTPRequest) async throws(DriverError) -> DriverHTTPAnswer

    public let nodeName: String
    public let stateDirectory: String
    private let exchange: Exchange?
    private struct State {
        var images: [ImageID: String] = [:]
        var fetches = 0
        var fetchDelay = Duration.zero
        var lines: [String] = []
        var progress: [DriverProgress] = []
        var stored: [ImageID: (path: String, format: String)] = [:]
        var offers: Set<String> = []
        var storeFailure: DriverError?
    }
    private let state = Locked(State())

    /// - Parameters:
    ///   - stateDirectory: absolute; made where it does not exist.
    ///   - exchange: `nil` for a host without HTTP.
    public init(stateDirectory: String, nodeName: String = "test-node", exchange: Exchange? = nil) {
        self.stateDirectory = stateDirectory
        self.nodeName = nodeName
        self.exchange = exchange
        try? FileManager.default.createDirectory(atPath: stateDirectory, withIntermediateDirectories: true)
    }

    /// How often an image was fetched.
    public var fetches: Int { state.with { $0.fetches } }
    /// What was logged, a line each.
    public var logged: [String] { state.with { $0.lines } }
    /// What progress was reported.
    public var progress: [DriverProgress] { state.with { $0.progress } }
    /// The file of an image that a driver stored; `nil` when it stored none.
    public func stored(_ image: ImageID) -> String? { state.with { $0.stored[image]?.path } }
    /// How much data a driver stored in an image; 0 when it stored none.
    public func storedBytes(_ image: ImageID) -> Int {
        guard let path = stored(image) else { return 0 }
        return (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }
    /// Offers of files that were not withdrawn.
    public var openOffers: Set<String> { state.with { $0.offers } }
    /// Every fetch of an image takes at least so long.
    public func delayFetches(by delay: Duration) { state.with { $0.fetchDelay = delay } }

    /// Every image that a driver stores is refused with this error; `nil` ends that.
    public func failStores(with error: DriverError?) { state.with { $0.storeFailure = error } }
    /// Makes the images of another host known to this one.
    public func knowImages(of other: ScratchHost) {
        let known = other.state.with { $0.images }
        state.with { $0.images.merge(known) { $1 } }
    }

    /// Makes a file available as an image.
    public func offer(
        image path: String, format: String = "raw", container: String = "bare", properties: [String: String] = [:]
    ) -> ImageSpec {
        let id = ImageID.random()
        state.with { $0.images[id] = path }
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        return ImageSpec(
            id: id, name: "test", diskFormat: format, containerFormat: container, sizeBytes: Int64(size),
            checksum: "0123456789abcdef0123456789abcdef", properties: properties)
    }

    /// Makes the file of an image available as another image too.
    public func offerAgain(_ image: ImageSpec) -> ImageSpec {
        var other = image
        other.id = .random()
        state.with { $0.images[other.id] = $0.images[image.id] }
        return other
    }

    public func log(_ level: DriverLogLevel, _ message: String, _ facts: [String: String]) {
        let words = facts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
        state.with { $0.lines.append("\(level.rawValue) \(message) \(words)") }
    }

    public func report(_ progress: DriverProgress) { state.with { $0.progress.append(progress) } }

    public func fetchImage(_ image: ImageSpec, to path: String) async throws(DriverError) {
        let (source, delay) = state.with { state in
            state.fetches += 1
            return (state.images[image.id], state.fetchDelay)
        }
        if delay > .zero {
            do { try await Task.sleep(for: delay) } catch { throw .cancelled }
        }
        guard let source else { throw .imageUnavailable("there is no image \(image.id)") }
        try Self.copy(source, path) { .imageUnavailable($0) }
    }

    public func storeImage(_ image: ImageID, from path: String, format: String) async throws(DriverError) {
        if let failure = state.with({ $0.storeFailure }) { throw failure }
        let target = stateDirectory + "-stored-" + image.description
        try? FileManager.default.removeItem(atPath: target)
        try Self.copy(path, target) { .failed($0) }
        state.with { state in
            state.stored[image] = (target, format)
            state.images[image] = target
        }
    }

    public func exchange(_ request: DriverHTTPRequest) async throws(DriverError) -> DriverHTTPAnswer {
        guard let exchange else { throw .notSupported("this host has no HTTP") }
        return try await exchange(request)
    }

    public func offerFile(_ path: String) async throws(DriverError) -> FileOffer {
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? nil
        guard let size else { throw .failed("\(path) cannot be offered: there is no such file") }
        let url = "file://" + path
        state.with { _ = $0.offers.insert(url) }
        return FileOffer(name: URL(filePath: path).lastPathComponent, url: url, bytes: UInt64(size))
    }

    public func withdrawFile(_ offer: FileOffer) async { state.with { _ = $0.offers.remove(offer.url) } }

    public func fetchFile(_ offer: FileOffer, to path: String) async throws(DriverError) {
        guard offer.url.hasPrefix("file://") else { throw .refused("\(offer.name) is not offered by a test") }
        let source = String(offer.url.dropFirst("file://".count))
        guard FileManager.default.fileExists(atPath: source) else {
            throw .refused("the offer of \(offer.name) has ended")
        }
        try Self.copy(source, path) { .failed($0) }
    }

    private static func copy(_ source: String, _ target: String, _ failure: (String) -> DriverError)
        throws(DriverError)
    {
        do {
            try FileManager.default.copyItem(atPath: source, toPath: target)
        } catch {
            throw failure("\(source) cannot be copied to \(target): \(error)")
        }
    }
}

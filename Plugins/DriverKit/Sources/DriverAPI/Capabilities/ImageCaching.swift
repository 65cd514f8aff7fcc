public import ComputeModel

/// An image that a node keeps for the next guest.
public struct CachedImage: Hashable, Codable, Sendable {
    /// The image.
    public var image: ImageID
    /// What it takes on the node, in bytes.
    public var bytes: UInt64
    /// Guests that lean on it now.
    public var guests: Int
    /// When it was last needed.
    public var lastUsed: Timestamp

    /// A cached image.
    public init(image: ImageID, bytes: UInt64, guests: Int, lastUsed: Timestamp) {
        (self.image, self.bytes, self.guests, self.lastUsed) = (image, bytes, guests, lastUsed)
    }
}

/// Keeps images on the node. Proves `operation.cache-images`.
public protocol CachingImages: Sendable {
    /// What is kept.
    func cachedImages() async throws(DriverError) -> [CachedImage]

    /// Fetches an image before a guest needs it; succeeds when it is there. If it throws, nothing of it remains.
    func cache(_ image: ImageSpec) async throws(DriverError)

    /// Removes what no guest leans on and was not needed for so long; returns what was removed. Never harms a guest.
    @discardableResult
    func removeImages(unusedFor age: Duration) async throws(DriverError) -> [CachedImage]
}

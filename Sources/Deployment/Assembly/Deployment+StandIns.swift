import ServiceOptions
import ComputeModel
import HTTPService
import ImageStandIn
import Logging
import Messaging
import ServiceInterfaces

extension Deployment {
    /// The image stand-in.
    func makeImages(_ peers: Peers) async throws -> ImageAPI {
        let store = try await ImageStore.open(databases.image, now: Timestamp.now)
        var options = ImageStandInOptions()
        options.imageBytesMax = Int64(up.options.kilonova.imageSizeMax.bytes)
        return try await ImageAPI.make(
            options, store: store, files: try await ImageFiles.open(directory: up.options.kilonova.imagePath),
            tokens: peers.tokens, logger: logger("glance"))
    }
}

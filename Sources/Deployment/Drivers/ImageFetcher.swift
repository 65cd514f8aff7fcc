import ComputeAgent
import ComputeModel
import DriverAPI
import PeerClients

/// Lets drivers fetch images through the image client.
struct ImageFetcher: ImageFetching {
    let client: ImageClient

    func fetch(_ image: ImageSpec, to path: String) async throws(DriverError) {
        do {
            try await client.download(image, to: path)
        } catch {
            switch error {
            case .unavailable(let text): throw .imageUnavailable(text)
            case .diskFull(let text): throw .insufficientResources(text)
            case .cancelled: throw .cancelled
            }
        }
    }
}

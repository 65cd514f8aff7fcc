import ComputeAgent
import ComputeModel
import DriverAPI
import DriverHTTP
import PeerClients

/// What this process has for its drivers: the image client, HTTP, and files lent to other nodes.
struct NodeFacilities: HostFacilities {
    let images: ImageClient
    let http: DriverHTTPClient
    let files: LentFiles

    func fetchImage(_ image: ImageSpec, to path: String) async throws(DriverError) {
        do {
            try await images.download(image, to: path)
        } catch {
            switch error {
            case .unavailable(let text): throw .imageUnavailable(text)
            case .diskFull(let text): throw .insufficientResources(text)
            case .cancelled: throw .cancelled
            }
        }
    }

    func storeImage(_ image: ImageID, from path: String, format: String) async throws(DriverError) {
        let (pieces, length) = try FilePieces.opening(path)
        do {
            try await images.upload(image, pieces, length: length)
        } catch {
            guard !Task.isCancelled else { throw .cancelled }
            switch error {
            case .unreachable: throw .unreachable("\(error)")
            case .failed, .malformed: throw .failed("\(error)")
            case .badRequest, .unauthorized, .forbidden, .notFound, .conflict, .overQuota: throw .refused("\(error)")
            }
        }
    }

    func exchange(_ request: DriverHTTPRequest) async throws(DriverError) -> DriverHTTPAnswer {
        try await http.exchange(request)
    }

    func offerFile(_ path: String) async throws(DriverError) -> FileOffer { try files.lend(path) }

    func withdrawFile(_ offer: FileOffer) async { files.takeBack(offer) }

    func fetchFile(_ offer: FileOffer, to path: String) async throws(DriverError) {
        let answer = try await http.exchange(
            DriverHTTPRequest("GET", offer.url, sink: .file(path: path), timeout: .seconds(6 * 3600)))
        guard answer.status == 200 else { throw .refused("the offer of \(offer.name) has ended") }
    }
}

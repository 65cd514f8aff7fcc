import ComputeModel
import HTTPService
import Logging

extension ImageAPI {
    static let fileRoutes: [ImageRoute] = [
        ImageRoute(.PUT, "/v2/images/{id}/file") { try await $0.upload($1) },
        ImageRoute(.GET, "/v2/images/{id}/file") { try await $0.download($1) },
    ]

    private func upload(_ request: ImageRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let image = try await image(request, seenBy: caller)
        try caller.requireOwning(image, "upload_image")
        guard request.mediaType == "application/octet-stream" else {
            throw ImageFault.wrongMediaType("The data of an image are application/octet-stream.")
        }
        guard image.status == .queued else {
            throw ImageFault.conflict(
                "Image status transition from \(image.status.rawValue) to saving is not allowed")
        }
        guard image.diskFormat != nil, image.containerFormat != nil else {
            throw ImageFault.badRequest("Properties disk_format, container_format must be set prior to saving data.")
        }
        if let length = request.http.body.declaredLength, Int64(length) > options.imageBytesMax {
            throw ImageFault.tooLarge(
                "Image exceeds the storage quota: The size of the data \(length) will exceed the limit. "
                    + "\(options.imageBytesMax) bytes remaining.")
        }
        let file = ImageFiles.name(image: image.id, upload: UUIDValue.random())
        try await store.beginUpload(to: image.id, file: file)
        do {
            try await take(request, image.id, file)
        } catch {
            // Also when the client is gone and this task is cancelled.
            await Task { await abandon(image.id, file) }.value
            throw error
        }
        return .empty(204)
    }

    private func take(_ request: ImageRequest, _ id: ImageID, _ file: String) async throws {
        var writer: ImageFileWriter?
        do {
            let begun = try await files.begin(file)
            writer = begun
            try await begun.take(request.http.body, limit: options.imageBytesMax)
            let facts = try await begun.commit()
            guard try await store.finishUpload(to: id, file: file, facts) else {
                throw ImageFault.gone("Image \(id) was deleted before its data were stored.")
            }
            logger.info(
                "image stored",
                metadata: ["image.id": "\(id)", "bytes": "\(facts.size)", "request.id": "\(request.http.id)"])
        } catch {
            await Task { [writer] in await writer?.discard() }.value
            throw explain(error, id)
        }
    }

    private func abandon(_ id: ImageID, _ file: String) async {
        do {
            try await store.abandonUpload(to: id, file: file)
        } catch {
            // The next start puts the image back.
            logger.error("image stays in saving", metadata: ["image.id": "\(id)", "error": "\(error)"])
        }
    }

    private func explain(_ error: any Error, _ id: ImageID) -> any Error {
        guard let error = error as? ImageFileError else { return error }
        logger.error("image not stored", metadata: ["image.id": "\(id)", "error": "\(error)"])
        if error.isFull {
            return ImageFault.storageFull("Image storage media is full: the data of image \(id) do not fit.")
        }
        if error.isDenied { return ImageFault.unavailable("Insufficient permissions on image storage media.") }
        return error
    }

    private func download(_ request: ImageRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let image = try await image(request, seenBy: caller)
        switch image.status {
        case .queued, .saving: return .empty(204)
        case .deactivated where !caller.isAdmin:
            throw ImageFault.forbidden("The requested image has been deactivated. Image data download is forbidden.")
        case .active, .deactivated: break
        }
        guard let name = image.file else { return .empty(204) }
        let file: HTTPFile
        do {
            file = try await HTTPFile.open(path: files.path(of: name))
        } catch .notFound {
            guard try await store.image(image.id) == nil else {
                logger.error("image file missing", metadata: ["image.id": "\(image.id)", "file": "\(name)"])
                throw ImageFault.notFound("The data of image \(image.id) are missing.")
            }
            throw ImageFault.noImage("\(image.id)")
        }
        var response = HTTPResponse(
            status: 200, headers: ["Content-Type": "application/octet-stream"], body: .file(file))
        // The hash is the whole file's.
        if let checksum = image.checksum, !request.http.headers.contains(name: "Range") {
            response.headers.add(name: "Content-MD5", value: checksum)
        }
        return response
    }
}

import ComputeModel
import HTTPService
import Logging
import WireJSON

extension ImageAPI {
    static let imageRoutes: [ImageRoute] = [
        ImageRoute(.GET, "/v2/images") { try await $0.listImages($1) },
        ImageRoute(.POST, "/v2/images") { try await $0.createImage($1) },
        ImageRoute(.GET, "/v2/images/{id}") { api, request in
            let caller = try await api.caller(request)
            return .json(200, try await api.image(request, seenBy: caller).json)
        },
        ImageRoute(.PATCH, "/v2/images/{id}") { try await $0.updateImage($1) },
        ImageRoute(.DELETE, "/v2/images/{id}") { try await $0.deleteImage($1) },
        ImageRoute(.PUT, "/v2/images/{id}/tags/{tag}") { api, request in
            try await api.changeTag(request) { image, tag, attributes in
                image.tags.insert(try attributes.tag(tag, .string(tag)))
            }
        },
        ImageRoute(.DELETE, "/v2/images/{id}/tags/{tag}") { api, request in
            try await api.changeTag(request) { image, tag, _ in
                guard image.tags.remove(tag) != nil else {
                    throw ImageFault.notFound("Could not find tag '\(tag)' on image \(image.id)")
                }
            }
        },
        ImageRoute(.POST, "/v2/images/{id}/actions/deactivate") { api, request in
            try await api.changeStatus(request, "deactivate", from: .active, to: .deactivated)
        },
        ImageRoute(.POST, "/v2/images/{id}/actions/reactivate") { api, request in
            try await api.changeStatus(request, "reactivate", from: .deactivated, to: .active)
        },
        ImageRoute(.GET, "/v2/images/{id}/members") { api, request in
            let caller = try await api.caller(request)
            _ = try await api.image(request, seenBy: caller)
            return .json(200, ["members": [], "schema": "/v2/schemas/members"])
        },
    ]

    /// The image that the path names, if the caller may see it.
    func image(_ request: ImageRequest, seenBy caller: ImageCaller) async throws -> ImageRecord {
        let id = try request.imageID()
        guard let image = try await store.image(id), caller.sees(image) else { throw ImageFault.noImage("\(id)") }
        return image
    }

    private func createImage(_ request: ImageRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        try caller.requireWriting("add_image")
        guard let body = try await request.json().object else {
            throw ImageFault.badRequest("The body must be a JSON object.")
        }
        let at = store.now()
        var image = ImageRecord(
            id: try Self.newID(body["id"]), name: nil, status: .queued, visibility: .shared, owner: caller.project,
            diskFormat: nil, containerFormat: nil, size: nil, virtualSize: nil, checksum: nil, strongHash: nil,
            minDisk: 0, minRAM: 0, isProtected: false, isHidden: false, properties: [:], tags: [], createdAt: at,
            updatedAt: at, file: nil)
        let attributes = ImageAttributes(options: options, caller: caller)
        for (name, value) in body where name != "id" { try attributes.set(name, value, on: &image) }
        try attributes.checkQuotas(of: image)
        guard image.owner != nil else {
            throw ImageFault.badRequest("The image needs an owner: use a token of a project, or give 'owner'.")
        }
        try await store.create(image)
        var response = HTTPResponse.json(201, image.json)
        response.headers.add(name: "Location", value: request.http.absoluteURL("/v2/images/\(image.id)"))
        return response
    }

    private static func newID(_ given: JSONValue?) throws -> ImageID {
        guard let given else { return ImageID.random() }
        guard let id = given.string.flatMap({ ImageID($0) }) else {
            throw ImageFault.badRequest("Provided object does not match schema 'image': 'id' is not a UUID")
        }
        return id
    }

    private func updateImage(_ request: ImageRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        guard ImagePatch.mediaTypes.contains(request.mediaType) else {
            throw ImageFault.wrongMediaType("Unsupported Content-Type; use \(ImagePatch.mediaTypes[0])")
        }
        let patch = try ImagePatch(try await request.json(), mediaType: request.mediaType)
        let attributes = ImageAttributes(options: options, caller: caller)
        let image = try await store.update(try request.imageID()) { image in
            try caller.requireOwning(image, "modify_image")
            try patch.apply(to: &image, attributes)
        }
        return .json(200, image.json)
    }

    private func deleteImage(_ request: ImageRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let file = try await store.delete(try request.imageID()) { image in
            guard caller.sees(image) else { throw ImageFault.notFound("Failed to find image \(image.id) to delete") }
            try caller.requireOwning(image, "delete_image")
            guard !image.isProtected else {
                throw ImageFault.forbidden("Image \(image.id) is protected and cannot be deleted.")
            }
        }
        if let file {
            do {
                try await files.remove(file)
            } catch {
                // The image is gone; its file is a leftover that the next start removes.
                logger.error("image file not removed", metadata: ["file": "\(file)", "error": "\(error)"])
            }
        }
        return .empty(204)
    }

    private func changeTag(
        _ request: ImageRequest,
        _ change: @escaping @Sendable (inout ImageRecord, String, ImageAttributes) throws -> Void
    ) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let tag = request.parameters["tag"] ?? ""
        let attributes = ImageAttributes(options: options, caller: caller)
        _ = try await store.update(try request.imageID()) { image in
            try caller.requireOwning(image, "modify_image")
            try change(&image, tag, attributes)
            try attributes.checkQuotas(of: image)
        }
        return .empty(204)
    }

    private func changeStatus(
        _ request: ImageRequest, _ action: String, from old: ImageStatus, to new: ImageStatus
    ) async throws -> HTTPResponse {
        let caller = try await caller(request)
        _ = try await store.update(try request.imageID()) { image in
            try caller.requireOwning(image, action)
            guard image.status == old || image.status == new else {
                throw ImageFault.forbidden("Not allowed to \(action) image in status '\(image.status.rawValue)'")
            }
            image.status = new
        }
        return .empty(204)
    }
}

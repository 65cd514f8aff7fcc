import ComputeModel
import Identity
import PeerClients

/// The image that a new server starts from, checked against the flavor.
enum RequestedImage {
    /// - Throws: 400, 403.
    static func find(_ id: ImageID, for flavor: FlavorSpec, _ call: ComputeCall) async throws -> ImageSpec {
        let image = try await image(id, call)
        guard image.status == "active" else { throw ComputeFault.badRequest("Image \(id) is not active.") }
        let spec = image.spec
        let wish = spec.properties["img_config_drive"] ?? "optional"
        guard wish == "optional" || wish == "mandatory" else {
            throw ComputeFault.badRequest(
                "Image's config drive option '\(wish)' is invalid. Must be 'optional' or 'mandatory'.")
        }
        guard flavor.memoryMiB >= spec.minMemoryMiB else {
            throw ComputeFault.badRequest("Flavor's memory is too small for requested image.")
        }
        try checkDisk(spec, flavor, call)
        return spec
    }

    private static func image(_ id: ImageID, _ call: ComputeCall) async throws -> Image {
        do {
            return try await call.services.images.image(
                id, token: call.context.authToken, requestID: call.context.requestID)
        } catch {
            switch error {
            case .notFound, .forbidden, .unauthorized, .badRequest:
                throw ComputeFault.badRequest("Can not find requested image")
            case .unreachable, .conflict, .overQuota, .failed, .malformed: throw error
            }
        }
    }

    private static func checkDisk(_ image: ImageSpec, _ flavor: FlavorSpec, _ call: ComputeCall) throws {
        let disk = Int64(flavor.rootGiB) << 30
        guard disk > 0 else {
            // The disk becomes as large as the image says, which no flavor limits.
            guard call.allows(ServerPolicy.createWithZeroDisk) else {
                throw ComputeFault.forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
            }
            return
        }
        guard image.sizeBytes <= disk else {
            throw ComputeFault.badRequest(
                "Flavor's disk is too small for requested image. Flavor disk is \(disk) bytes, "
                    + "image is \(image.sizeBytes) bytes.")
        }
        let least = Int64(image.minDiskGiB) << 30
        guard least <= disk else {
            throw ComputeFault.badRequest(
                "Flavor's disk is smaller than the minimum size specified in image metadata. "
                    + "Flavor disk is \(disk) bytes, minimum size is \(least) bytes.")
        }
    }
}

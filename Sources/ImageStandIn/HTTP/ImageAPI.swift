import ComputeModel
import Database
package import HTTPService
package import Identity
package import Logging
import WireJSON

/// How the stand-in works.
package struct ImageStandInOptions: Sendable {
    /// The largest image, in bytes (`image_size_cap`).
    package var imageBytesMax: Int64 = 1 << 40
    /// The most properties of an image (`image_property_quota`).
    package var propertiesMax = 128
    /// The most tags of an image (`image_tag_quota`).
    package var tagsMax = 128
    /// Images of a list when nothing is asked for (`limit_param_default`).
    package var pageDefault = 25
    /// The most images of a list (`api_limit_max`).
    package var pageMax = 1000
    /// Formats of disks that are taken (`disk_formats`).
    package var diskFormats = [
        "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop", "gpt",
    ]
    /// Containers that are taken (`container_formats`).
    package var containerFormats = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"]

    /// The defaults.
    package init() {}
}

/// A small image service of our own: Glance's API version 2, as far as clients of a compute service need it.
/// It stores for real; a deployment replaces it by pointing its catalog elsewhere.
package struct ImageAPI: HTTPResponder {
    let store: ImageStore
    let files: ImageFiles
    let options: ImageStandInOptions
    let logger: Logger
    private let tokens: any TokenValidating
    private let router: PathRouter<Operation>

    typealias Operation = @Sendable (ImageAPI, ImageRequest) async throws -> HTTPResponse

    /// An API on an open store and directory. Uploads that ended with a former process are put back, their files and
    /// all others that no image has are removed.
    package static func make(
        _ options: ImageStandInOptions = ImageStandInOptions(), store: ImageStore, files: ImageFiles,
        tokens: any TokenValidating, logger: Logger
    ) async throws -> ImageAPI {
        let removed = try await files.removeLeftovers(keeping: try await store.abandonAllUploads())
        if !removed.isEmpty {
            logger.notice("unfinished image files removed", metadata: ["count": "\(removed.count)"])
        }
        var router = PathRouter<Operation>()
        for route in imageRoutes + fileRoutes + discoveryRoutes {
            try router.register(route.method, route.pattern, route.operation)
        }
        return ImageAPI(
            store: store, files: files, options: options, logger: logger, tokens: tokens, router: router)
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        var response = await answer(request)
        response.headers.replaceOrAdd(name: "x-openstack-request-id", value: "\(request.id)")
        return response
    }

    private func answer(_ request: HTTPRequest) async -> HTTPResponse {
        do {
            switch router.match(request.method, request.pathSegments) {
            case .found(let operation, let parameters):
                return try await operation(self, ImageRequest(http: request, parameters: parameters))
            case .methodNotAllowed(let allowed):
                let method = request.method.rawValue
                var response = Self.fault(405, "The method \(method) is not allowed for this resource.")
                response.headers.add(name: "Allow", value: allowed.map(\.rawValue).joined(separator: ", "))
                return response
            case .notFound:
                return Self.fault(404, "The resource could not be found.")
            }
        } catch let fault as ImageFault {
            var response = Self.fault(fault.status, fault.message)
            switch fault.status {
            case 401:
                let identity = "\(request.baseURL)/identity"
                response.headers.add(name: "WWW-Authenticate", value: "Keystone uri=\"\(identity)\"")
            case 415: response.headers.add(name: "Accept-Patch", value: ImagePatch.mediaTypes.joined(separator: ", "))
            default: break
            }
            return response
        } catch let error as HTTPBodyError {
            return Self.fault(error.status, "\(error)")
        } catch let error as DatabaseError {
            if case .full(let reason) = error { return Self.fault(507, "Image storage media is full: \(reason)") }
            return failed(request, error)
        } catch {
            return failed(request, error)
        }
    }

    private func failed(_ request: HTTPRequest, _ error: any Error) -> HTTPResponse {
        logger.error("image request failed", metadata: ["request.id": "\(request.id)", "error": "\(error)"])
        return Self.fault(500, "The server has either erred or is incapable of performing the requested operation.")
    }

    /// The JSON form of Glance's faults.
    private static func fault(_ status: Int, _ message: String) -> HTTPResponse {
        let title = HTTPResponseStatus(statusCode: status).reasonPhrase
        return .json(
            status, ["message": .string(message), "code": .string("\(status) \(title)"), "title": .string(title)])
    }

    /// The caller, by the token of the request.
    func caller(_ request: ImageRequest) async throws -> ImageCaller {
        guard let token = request.http.headers.first(name: IdentityHeaders.token) else {
            throw ImageFault.unauthorized
        }
        do {
            return ImageCaller(try await tokens.validate(token))
        } catch {
            if case .unavailable(let reason) = error {
                logger.error("tokens cannot be checked", metadata: ["error": "\(reason)"])
                throw ImageFault.unavailable("The identity service cannot be reached; try again later.")
            }
            throw ImageFault.unauthorized
        }
    }
}

/// One line of the stand-in's table of operations.
struct ImageRoute: Sendable {
    let method: HTTPMethod
    let pattern: String
    let operation: ImageAPI.Operation

    init(_ method: HTTPMethod, _ pattern: String, _ operation: @escaping ImageAPI.Operation) {
        (self.method, self.pattern, self.operation) = (method, pattern, operation)
    }
}

/// A request with what its path says.
struct ImageRequest: Sendable {
    let http: HTTPRequest
    let parameters: RouteParameters

    /// The image that the path names.
    ///
    /// - Throws: ``ImageFault`` 404 for what cannot be an image.
    func imageID() throws -> ImageID {
        let text = parameters["id"] ?? ""
        guard let id = ImageID(text) else { throw ImageFault.noImage(text) }
        return id
    }

    /// The whole body.
    func json() async throws -> JSONValue {
        let bytes = try await http.body.collect(upTo: 1 << 20)
        do {
            return try JSONParser.parse(bytes)
        } catch {
            throw ImageFault.badRequest("Malformed JSON in request body: \(error)")
        }
    }

    /// `Content-Type` without its parameters, in lower case.
    var mediaType: String {
        let field = http.headers.first(name: "Content-Type") ?? ""
        return String(field.prefix { $0 != ";" }).trimmingBlanks.lowercased()
    }
}

extension StringProtocol {
    var trimmingBlanks: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return String(rest)
    }
}

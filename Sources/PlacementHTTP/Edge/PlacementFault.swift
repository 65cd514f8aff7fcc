import APIVersioning
import HTTPService
import Placement
import WireJSON

/// A refusal, as the API says it. Texts and forms are the reference's, because clients match on them.
struct PlacementFault: Error {
    let status: Int
    let detail: String
    var code = PlacementFault.defaultCode
    /// Methods for `Allow`.
    var allowed: [String] = []

    static let defaultCode = "placement.undefined_code"

    static func badRequest(_ detail: String, code: String = defaultCode) -> Self {
        Self(status: 400, detail: detail, code: code)
    }
    static func notFound(_ detail: String = "", code: String = defaultCode) -> Self {
        Self(status: 404, detail: detail, code: code)
    }
    static func conflict(_ detail: String, code: String = defaultCode) -> Self {
        Self(status: 409, detail: detail, code: code)
    }

    /// What an error that no operation turned into a refusal of its own becomes.
    init(_ error: any Error) {
        switch error {
        case let fault as PlacementFault: self = fault
        case let error as PlacementError:
            switch error {
            case .providerNotFound, .resourceClassNotFound, .traitsNotFound, .inventoryNotFound:
                self = .notFound(error.description)
            case .providerGenerationConflict, .consumerGenerationConflict:
                self = .conflict(error.description, code: ErrorCode.concurrentUpdate)
            case .resourceClassIsStandard, .traitIsStandard, .parentRefused: self = .badRequest(error.description)
            case .duplicateProvider: self = .conflict(error.description, code: ErrorCode.duplicateName)
            case .providerInUse: self = .conflict(error.description, code: ErrorCode.providerInUse)
            case .providerHasChildren: self = .conflict(error.description, code: ErrorCode.cannotDeleteParent)
            case .inventoryInUse: self = .conflict(error.description, code: ErrorCode.inventoryInUse)
            case .resourceClassExists, .resourceClassInUse, .traitInUse, .inventoryExists, .nothingToAllocate,
                .capacityExceeded, .unitsViolated:
                self = .conflict(error.description)
            }
        default: self.init(status: 500, detail: "The request could not be carried out; the log says why.")
        }
    }

    init(status: Int, detail: String, code: String = Self.defaultCode, allowed: [String] = []) {
        (self.status, self.detail, self.code, self.allowed) = (status, detail, code, allowed)
    }
}

/// Values of `code` in error bodies.
enum ErrorCode {
    static let inventoryInUse = "placement.inventory.inuse"
    static let concurrentUpdate = "placement.concurrent_update"
    static let duplicateName = "placement.duplicate_name"
    static let providerInUse = "placement.resource_provider.inuse"
    static let cannotDeleteParent = "placement.resource_provider.cannot_delete_parent"
    static let providerNotFound = "placement.resource_provider.not_found"
    static let duplicateKey = "placement.query.duplicate_key"
    static let badValue = "placement.query.bad_value"
    static let missingValue = "placement.query.missing_value"
}

extension PlacementFault {
    /// The refusal in the form that the client accepts: JSON, HTML or plain text.
    func response(to request: HTTPRequest, version: Microversion?) -> HTTPResponse {
        var response: HTTPResponse
        let title = Self.title(status)
        let text = sentence(request)
        switch AcceptHeader(request.headers).bestForErrors {
        case .json: response = .json(status, body(text, title, request, version))
        case .html:
            let page =
                "<html>\n <head>\n  <title>\(status) \(title)</title>\n </head>\n <body>\n"
                + "  <h1>\(status) \(title)</h1>\n  \(Self.escaped(text))\n </body>\n</html>"
            response = .text(status, page)
            response.headers.replaceOrAdd(name: "Content-Type", value: "text/html; charset=UTF-8")
        case .plain: response = .text(status, "\(status) \(title)\n\n\(text)")
        }
        if !allowed.isEmpty { response.headers.replaceOrAdd(name: "Allow", value: allowed.joined(separator: ", ")) }
        return response
    }

    private func body(_ text: String, _ title: String, _ request: HTTPRequest, _ version: Microversion?) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.object { w in
            w.array("errors") { w in
                w.object { w in
                    w.field("status", status)
                    w.field("title", title)
                    w.field("detail", text)
                    if let version, version >= PlacementVersions.errorCodes { w.field("code", code) }
                    w.field("request_id", request.id.description)
                    if status == 406, version == nil {
                        w.field("max_version", PlacementVersions.maximum.description)
                        w.field("min_version", PlacementVersions.minimum.description)
                    }
                }
            }
        }
        return writer.bytes
    }

    /// The general sentence of the status with the detail, spaced as the reference's templates leave it.
    private func sentence(_ request: HTTPRequest) -> String {
        let detail = detail.replacing("\n", with: " ")
        switch status {
        case 405: return "The method \(request.method.rawValue) is not allowed for this resource. \n\n \(detail)"
        case 406:
            let accept = request.headers.first(name: "Accept") ?? "application/json"
            return "The resource could not be generated that was acceptable to your browser "
                + "(content of type \(accept). \n\n \(detail)"
        case 415:
            let type = request.headers.first(name: "Content-Type") ?? ""
            return "The request media type \(type) is not supported by this server. \n\n \(detail)"
        default: return "\(Self.explanation(status))\n\n \(detail)  "
        }
    }

    private static func title(_ status: Int) -> String {
        status == 413 ? "Request Entity Too Large" : HTTPResponseStatus(statusCode: status).reasonPhrase
    }

    private static func explanation(_ status: Int) -> String {
        switch status {
        case 401:
            "This server could not verify that you are authorized to access the document you requested. Either you "
                + "supplied the wrong credentials (e.g., bad password), or your browser does not understand how to "
                + "supply the credentials required."
        case 403: "Access was denied to this resource."
        case 404: "The resource could not be found."
        case 409: "There was a conflict when trying to complete your request."
        case 413: "The body of your request was too large for this server."
        case 503: "The server is currently unavailable. Please try again at a later time."
        case 500...: "The server has either erred or is incapable of performing the requested operation."
        default:
            "The server could not comply with the request since it is either malformed or otherwise incorrect."
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\n", with: "<br />")
    }
}

import ComputeStore
import HTTPService
import Identity
import PeerClients
import WireJSON

/// A refusal, as the API says it. Texts and forms are the reference's, because clients match on them.
struct ComputeFault: Error {
    let status: Int
    let message: String
    /// True for refusals that any operation may give, whatever its row declares.
    var isCommon = false

    init(status: Int, message: String, isCommon: Bool = false) {
        (self.status, self.message, self.isCommon) = (status, message, isCommon)
    }

    static func badRequest(_ message: String) -> Self { Self(status: 400, message: message) }
    static func forbidden(_ message: String) -> Self { Self(status: 403, message: message) }
    static func notFound(_ message: String = missing) -> Self { Self(status: 404, message: message) }
    static func conflict(_ message: String) -> Self { Self(status: 409, message: message) }
    static func notImplemented(_ message: String) -> Self { Self(status: 501, message: message) }
    static func unavailable(_ message: String) -> Self { Self(status: 503, message: message, isCommon: true) }

    /// What a schema refuses, and everything else about a request as such.
    static func invalid(_ message: String) -> Self { Self(status: 400, message: message, isCommon: true) }

    /// The policy does not allow it.
    static func refused(by rule: String) -> Self {
        Self(status: 403, message: "Policy doesn't allow \(rule) to be performed.", isCommon: true)
    }

    static let missing = "The resource could not be found."
    static let malformedBody = invalid("Malformed request body")
    static let tooLarge = Self(status: 413, message: "Request is too large.", isCommon: true)
    static let wrongMediaType = Self(status: 415, message: "Unsupported Content-Type", isCommon: true)
}

extension ComputeFault {
    /// What an error means for the client; nil when it means that something is wrong with us.
    init?(_ error: any Error) {
        switch error {
        case let fault as ComputeFault: self = fault
        case let refusal as PolicyRefusal: self = .refused(by: refusal.rule)
        case StoreError.notFound(let message): self.init(status: 404, message: message)
        case StoreError.exists(let message): self.init(status: 409, message: message)
        case StoreError.changedMeanwhile: self.init(status: 409, message: "The resource was changed meanwhile.")
        case StoreError.quotaExceeded(let exceeded): self.init(status: 403, message: exceeded.sentence, isCommon: true)
        case let error as PeerError where error.mayPass:
            self = .unavailable("The request cannot be served now: \(error)")
        case _ where StorageTrouble.outage(error) != nil:
            let reason = StorageTrouble.outage(error) ?? ""
            self = .unavailable("The compute service cannot serve the request now: \(reason).")
        default: return nil
        }
    }

    /// What a defect looks like from outside: the class of the error and nothing else.
    static func unexpected(_ error: any Error) -> Self {
        Self(
            status: 500,
            message: "Unexpected API Error. Please report this together with the compute API's log of this request."
                + "\n\(type(of: error))", isCommon: true)
    }

    /// The name of the one member of the answer.
    private var key: String {
        switch status {
        case 400: "badRequest"
        case 401: "unauthorized"
        case 403: "forbidden"
        case 404: "itemNotFound"
        case 405: "badMethod"
        case 409: "conflictingRequest"
        case 413, 429: "overLimit"
        case 415: "badMediaType"
        case 501: "notImplemented"
        case 503: "serviceUnavailable"
        default: "computeFault"
        }
    }

    /// The refusal as an answer.
    func response() -> HTTPResponse {
        var writer = JSONWriter(capacity: 256)
        writer.object { w in
            w.object(key) { w in
                w.field("code", status)
                w.field("message", message)
            }
        }
        return .json(status, writer.bytes)
    }

    /// The answer to a path or method that no operation has. It comes from the router and not from an operation, so
    /// in the reference it has another form.
    static func unrouted(_ request: HTTPRequest) -> HTTPResponse {
        let accept = request.headers.first(name: "Accept") ?? ""
        guard accept.contains("json") else {
            return .text(404, "404 Not Found\n\n\(missing)\n\n   ")
        }
        return .json(404, ["message": "\(missing)<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"])
    }
}

extension QuotaExceeded {
    /// "Quota exceeded for cores, instances: Requested 2, 1, but already used 20, 10 of 20, 10 cores, instances".
    var sentence: String {
        let resources = resources.sorted { $0.name < $1.name }
        let names = resources.map(\.name).joined(separator: ", ")
        func list(_ number: (Resource) -> Int) -> String {
            resources.map { String(number($0)) }.joined(separator: ", ")
        }
        return "Quota exceeded for \(names): Requested \(list(\.requested)), but already used \(list(\.used)) "
            + "of \(list(\.limit)) \(names)"
    }
}

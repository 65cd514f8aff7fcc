import APIVersioning
import ComputeModel
import HTTPService
import Identity
import Placement
import WireJSON

/// One request on its way through an operation: who asks, what, and at which microversion.
struct PlacementCall: Sendable {
    let request: HTTPRequest
    let version: Microversion
    let caller: RequestContext?
    let parameters: RouteParameters
    let service: PlacementService
    let bodySchema: JSONSchema?

    /// The most that a body may have: a reshape of a large tree with all its consumers.
    static let bodyBytesMax = 16 << 20

    func parameter(_ name: String) -> String { parameters[name] ?? "" }

    /// A UUID for a provider that was posted without one.
    func newUUID() -> String { UUIDValue.random().description }

    func has(_ version: Microversion) -> Bool { self.version >= version }

    // MARK: Body

    /// The body, which fits the operation's schema.
    func document() async throws -> JSONValue {
        let bytes: [UInt8]
        do throws(HTTPBodyError) {
            bytes = try await request.body.collect(upTo: Self.bodyBytesMax)
        } catch {
            throw PlacementFault(status: error.status, detail: error.description)
        }
        let value: JSONValue
        do {
            value = try JSONParser.parse(bytes)
        } catch {
            throw PlacementFault.badRequest("Malformed JSON: \(error)")
        }
        if let violation = bodySchema?.violation(by: value), let document = bodySchema?.document {
            throw PlacementFault.badRequest("JSON does not validate: \(violation.text(in: document))")
        }
        return value
    }

    // MARK: Answers

    /// A JSON answer; from 1.15 with the time of the last change, now when there is none.
    func answer(_ status: Int = 200, modifiedAt: Int64? = nil, _ writer: borrowing JSONWriter) -> HTTPResponse {
        var response = HTTPResponse.json(status, writer.bytes)
        addCacheHeaders(&response, modifiedAt)
        return response
    }

    /// A JSON answer of which nobody noted when it last changed: now.
    func answer(_ writer: borrowing JSONWriter) -> HTTPResponse { answer(200, modifiedAt: nil, writer) }

    /// An answer without a body.
    func answer(_ status: Int) -> HTTPResponse { .empty(status) }

    func addCacheHeaders(_ response: inout HTTPResponse, _ modifiedAt: Int64?) {
        guard has(PlacementVersions.cacheHeaders) else { return }
        response.headers.replaceOrAdd(name: "Last-Modified", value: HTTPDate.text(modifiedAt ?? service.now))
        response.headers.replaceOrAdd(name: "Cache-Control", value: "no-cache")
    }

    /// The path of a resource as links in bodies have it.
    func link(_ path: String) -> String { request.mountPath + path }

    // MARK: Providers

    /// The provider that the path names.
    func provider(_ mirror: ProviderMirror) throws(PlacementFault) -> ProviderMirror.Slot {
        let uuid = parameter("uuid")
        guard let slot = mirror.slot(uuid: uuid) else {
            throw .notFound("No resource provider with uuid \(uuid) found")
        }
        return slot
    }
}

/// Dates of HTTP: "Sat, 21 Nov 2026 02:31:57 GMT".
enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    static func text(_ seconds: Int64) -> String {
        let civil = Timestamp(seconds: seconds).civil
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = days[Int((seconds / 86_400) % 7)]
        return "\(day), \(two(civil.day)) \(months[civil.month - 1]) \(civil.year) "
            + "\(two(civil.hour)):\(two(civil.minute)):\(two(civil.second)) GMT"
    }
}

extension SchemaViolation {
    /// The violation as Python's jsonschema prints it: what, which keyword of which part of the schema, and on what.
    func text(in schema: JSONValue) -> String {
        var part = schema
        var place = "schema"
        var instance = ""
        for step in path {
            switch step {
            case .member(let name):
                instance += "['\(name)']"
                if let member = part["properties"]?[name] {
                    place += "['properties']['\(name)']"
                    part = member
                } else if let (pattern, member) = part["patternProperties"]?.object?.members.first {
                    place += "['patternProperties']['\(pattern)']"
                    part = member
                }
            case .element(let index):
                instance += "[\(index)]"
                place += "['items']"
                part = part["items"] ?? part
            }
        }
        return "\(message)\n\nFailed validating '\(keyword)' in \(place):\n    \(part.text)\n\n"
            + "On instance\(instance):\n    \(value.text)"
    }

    /// The keyword that the message stands for.
    private var keyword: String {
        let isText = value.string != nil
        if message.contains("is a required property") { return "required" }
        if message.contains("Additional properties") || message.contains("any of the regexes") {
            return "additionalProperties"
        }
        if message.contains("is not of type") { return "type" }
        if message.contains("is less than the minimum") { return "minimum" }
        if message.contains("is greater than the maximum") { return "maximum" }
        if message.hasSuffix("is too long") { return isText ? "maxLength" : "maxItems" }
        if message.hasSuffix("is too short") || message.hasSuffix("should be non-empty") {
            return isText ? "minLength" : value.object != nil ? "minProperties" : "minItems"
        }
        if message.contains("enough properties") { return "minProperties" }
        if message.contains("is not one of") { return "enum" }
        if message.contains("non-unique") { return "uniqueItems" }
        if message.contains("does not match") { return "pattern" }
        return "format"
    }
}

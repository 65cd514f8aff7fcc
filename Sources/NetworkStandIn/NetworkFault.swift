import WireJSON

/// What the stand-in refuses, in Neutron's words.
struct NetworkFault: Error, Sendable, Hashable {
    var status: Int
    /// The name of Neutron's exception; clients tell refusals of one status apart by it.
    var type: String
    var message: String

    init(_ status: Int, _ type: String, _ message: String) {
        (self.status, self.type, self.message) = (status, type, message)
    }

    var body: JSONValue {
        ["NeutronError": ["type": .string(type), "message": .string(message), "detail": ""]]
    }

    static func badRequest(_ message: String) -> NetworkFault {
        NetworkFault(400, "HTTPBadRequest", message)
    }
    static func invalidInput(_ message: String) -> NetworkFault {
        NetworkFault(400, "InvalidInput", "Invalid input for operation: \(message).")
    }
    static func invalid(_ attribute: String, _ reason: String) -> NetworkFault {
        badRequest("Invalid input for \(attribute). Reason: \(reason).")
    }
    /// An operation, or an attribute of it, that is an administrator's.
    static func forbidden(_ rule: String) -> NetworkFault {
        NetworkFault(403, "PolicyNotAuthorized", "rule:\(rule) is disallowed by policy")
    }
    static let unauthorized = NetworkFault(
        401, "HTTPUnauthorized", "The request you have made requires authentication.")
    static let noSuchPath = NetworkFault(404, "HTTPNotFound", "The resource could not be found.")
}

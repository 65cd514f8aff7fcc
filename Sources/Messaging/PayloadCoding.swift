import FoundationEssentials

extension Payload {
    /// The payload as the transport wants it.
    static func packed<Value: Codable & Sendable>(
        _ value: Value, asValue: Bool, of message: String
    ) throws(MessagingError) -> Payload {
        if asValue { return .value(value) }
        do {
            return .encoded(try [UInt8](JSONEncoder().encode(Box(value: value))))
        } catch {
            throw .malformed(message: message, reason: "\(error)")
        }
    }

    /// The value, whichever way it came.
    func unpacked<Value: Codable & Sendable>(
        as type: Value.Type, of message: String
    ) throws(MessagingError) -> Value {
        switch self {
        case .value(let value):
            guard let value = value as? Value else {
                throw .malformed(message: message, reason: "is \(Swift.type(of: value)), expected \(type)")
            }
            return value
        case .encoded(let bytes):
            do {
                return try JSONDecoder().decode(Box<Value>.self, from: Data(bytes)).value
            } catch {
                throw .malformed(message: message, reason: "\(error)")
            }
        }
    }

    /// Lets top-level values be anything Codable, `Int` and `nil` included.
    private struct Box<Value: Codable>: Codable {
        var value: Value
    }
}

import FoundationEssentials

/// What a step left: the value itself in the process that ran it, its JSON after a crash.
enum StepOutput: Sendable {
    case nothing
    case live(any Codable & Sendable)
    case encoded([UInt8])

    /// The JSON for the log; empty for ``NoOutput``.
    func encoded() throws(SagaError) -> [UInt8] {
        switch self {
        case .nothing: []
        case .live(let value): value is NoOutput ? [] : try Self.encode(value)
        case .encoded(let bytes): bytes
        }
    }

    func value<Output>(of key: StepKey<Output>) throws(SagaError) -> Output {
        switch self {
        case .nothing:
            guard let value = NoOutput() as? Output else { throw .noOutput(step: key.name) }
            return value
        case .live(let value):
            guard let value = value as? Output else {
                throw .unreadable(what: "the output of step \(key.name)", reason: "it is a \(type(of: value))")
            }
            return value
        case .encoded(let bytes):
            if bytes.isEmpty, let value = NoOutput() as? Output { return value }
            return try Self.decode(Output.self, bytes, what: "the output of step \(key.name)")
        }
    }

    /// The outputs that a log holds.
    static func collect(_ events: [SagaEvent]) -> [String: StepOutput] {
        var outputs: [String: StepOutput] = [:]
        for case .succeeded(let step, let bytes) in events { outputs[step] = .encoded(bytes) }
        return outputs
    }

    static func encode(_ value: some Encodable) throws(SagaError) -> [UInt8] {
        do {
            return [UInt8](try JSONEncoder().encode(value))
        } catch {
            throw .unreadable(what: "a \(type(of: value))", reason: "\(error)")
        }
    }

    static func decode<Value: Decodable>(
        _ type: Value.Type, _ bytes: [UInt8], what: String
    ) throws(SagaError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw .unreadable(what: what, reason: "\(error)")
        }
    }
}

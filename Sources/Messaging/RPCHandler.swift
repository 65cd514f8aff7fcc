/// What a service does with one kind of message:
///
///     RPCHandler { (message: BuildInstance, context) in try await builder.build(message, context) }
///
/// It must be idempotent: a message may be delivered more than once. It returns when its work is durable, for only
/// then is the message acknowledged.
package struct RPCHandler: Sendable {
    let name: String
    let served: ServedVersions
    let run: @Sendable (Payload, MessageContext, _ asValue: Bool) async -> ReplyOutcome

    package init<Message: RPCMessage>(
        _ body: @escaping @Sendable (Message, MessageContext) async throws -> Message.Reply
    ) {
        name = Message.name
        served = ServedVersions(newest: Message.version, oldest: Message.oldestVersion)
        run = { payload, context, asValue in
            do {
                let message = try payload.unpacked(as: Message.self, of: Message.name)
                let reply = try await body(message, context)
                return .success(try .packed(reply, asValue: asValue, of: Message.name))
            } catch {
                return .fault(RemoteFault(error))
            }
        }
    }
}

/// The handlers of a topic by name.
struct DispatchTable: Sendable {
    private let handlers: [String: RPCHandler]

    /// Two handlers for one name are a fault of the program.
    init(_ handlers: [RPCHandler]) {
        self.handlers = Dictionary(handlers.map { ($0.name, $0) }) { first, _ in
            preconditionFailure("two handlers for the message \(first.name)")
        }
    }

    enum Match {
        case handler(RPCHandler)
        case unsupported(served: ServedVersions?)
    }

    func match(_ envelope: Envelope) -> Match {
        guard let handler = handlers[envelope.name] else { return .unsupported(served: nil) }
        // Who asks for an answer or for versions may have sent an older or newer one.
        let isAsking = envelope.purpose == .fetchReply || envelope.purpose == .describe
        return isAsking || handler.served.contains(envelope.version)
            ? .handler(handler) : .unsupported(served: handler.served)
    }
}

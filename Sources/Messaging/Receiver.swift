import Logging

/// The receiving side of a subscription: expiry, versions, repeated messages, answers, acknowledgement.
struct Receiver: Sendable {
    let table: DispatchTable
    let transport: any RPCTransport
    let ledger: MessageLedger
    let logger: Logger
    let topic: String

    func receive(_ delivery: Delivery) async {
        let envelope = delivery.envelope
        if let deadline = envelope.deadline, deadline <= .now {
            logger.debug("message expired before it was worked on", metadata: metadata(envelope))
            return await delivery.acknowledge()
        }
        switch table.match(envelope) {
        case .unsupported(let served):
            logger.error(
                "message is refused: its version is not taken; upgrade the older of the two services",
                metadata: metadata(envelope).merging([
                    "taken": "\(served?.description ?? "no version: this service does not know the message")"
                ]) { $1 })
            await answer(envelope, .unsupported(message: envelope.name, served: served))
            await delivery.acknowledge()
        case .handler(let handler):
            switch envelope.purpose {
            case .fetchReply: await fetch(delivery)
            case .describe:
                await answer(envelope, .unsupported(message: envelope.name, served: handler.served))
                await delivery.acknowledge()
            case .fanOut: await work(delivery, handler, isClaimed: false)
            case .call, .cast: await claimAndWork(delivery, handler)
            }
        }
    }

    private func claimAndWork(_ delivery: Delivery, _ handler: RPCHandler) async {
        let inbox = delivery.envelope.purpose == .call ? delivery.envelope.replyInbox : nil
        switch await ledger.begin(delivery.envelope.id, inbox: inbox) {
        case .first:
            await work(delivery, handler, isClaimed: true)
        case .running:
            await delivery.acknowledge()
        case .finished(let outcome, let inboxes):
            await answer(delivery.envelope, outcome, inboxes, toSender: delivery.envelope.purpose == .call)
            await delivery.acknowledge()
        }
    }

    private func work(_ delivery: Delivery, _ handler: RPCHandler, isClaimed: Bool) async {
        let envelope = delivery.envelope
        let context = MessageContext(
            messageID: envelope.id, deadline: envelope.deadline, origin: envelope.origin,
            isRedelivered: delivery.isRedelivered)
        let outcome = await handler.run(envelope.payload, context, transport.carriesValues)
        if case .fault(let fault) = outcome {
            if fault.kind == RemoteFault.cancelled, Task.isCancelled {
                // Stopped while working: not acknowledged, so that somebody else gets it.
                let inboxes = isClaimed ? ledger.abandon(envelope.id) : []
                return await answer(envelope, .closed, inboxes, toSender: false)
            }
            if fault.kind == RemoteFault.malformed, envelope.purpose != .call {
                // Nobody learns of it, and trying again does not help.
                for inbox in isClaimed ? ledger.abandon(envelope.id) : [] {
                    await transport.reply(ReplyEnvelope(id: envelope.id, outcome: outcome), to: inbox)
                }
                return await delivery.reject(fault.message)
            }
            if envelope.purpose != .call {
                logger.warning(
                    "message failed",
                    metadata: metadata(envelope).merging(["error": "\(fault)"]) { $1 })
            }
        }
        let inboxes = isClaimed ? await ledger.finish(envelope.id, outcome) : []
        await answer(envelope, outcome, inboxes, toSender: envelope.purpose == .call)
        await delivery.acknowledge()
    }

    private func fetch(_ delivery: Delivery) async {
        let envelope = delivery.envelope
        switch await ledger.look(for: envelope.id, inbox: envelope.replyInbox) {
        case .finished(let outcome, _): await answer(envelope, outcome)
        case .running, .first: break
        case nil:
            let fault = RemoteFault(
                kind: RemoteFault.replyUnknown, message: "no answer to \(envelope.name) \(envelope.id) is kept here")
            await answer(envelope, .fault(fault))
        }
        await delivery.acknowledge()
    }

    private func answer(
        _ envelope: Envelope, _ outcome: ReplyOutcome, _ further: [String] = [], toSender: Bool = true
    ) async {
        let reply = ReplyEnvelope(id: envelope.id, outcome: outcome)
        if toSender, let inbox = envelope.replyInbox { await transport.reply(reply, to: inbox) }
        for inbox in Set(further) where !toSender || inbox != envelope.replyInbox {
            await transport.reply(reply, to: inbox)
        }
    }

    private func metadata(_ envelope: Envelope) -> Logger.Metadata {
        [
            "topic": "\(topic)", "message": "\(envelope.name)", "version": "\(envelope.version)",
            "message.id": "\(envelope.id)", "request.id": "\(envelope.origin.requestID ?? "-")",
        ]
    }
}

import NIOPosix

/// One client connection: takes requests from the decoder, one at a time and in order, and writes the answers.
///
///     idle ──head──▶ exchange ──answered and request complete──▶ idle
///       │               │ answered, connection not to be kept
///       │               ▼
///       └─refused──▶ lingering ──peer closed, or time over──▶ closed
///
/// - idle: no request. The idle time-out runs, or the header time-out once part of a head has come.
/// - exchange: a request is in work. Requests sent meanwhile (pipelining) wait in `pending`, and nothing more is read.
/// - lingering: the last answer is out and our side closed; what still comes is thrown away, because closing at once
///   would reset the connection and could destroy the answer on its way.
/// - closed: nothing happens any more.
///
/// Everything here runs on the connection's event loop. Small answers are gathered in one buffer and written when the
/// batch that was read is worked off: one system call for a request, and one for many pipelined ones.
final class HTTPConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case idle
        case exchange
        case lingering
        case closed
    }

    /// What waits for its turn.
    enum Pending {
        case part(HTTPServerRequestPart)
        case failure(HTTPRefusal)
    }

    static let outBytesKept = 32 * 1024
    static let outBytesMax = 64 * 1024
    static let lingerBytesMax = 4 * 1024 * 1024
    static let lingerTime = TimeAmount.seconds(2)

    let core: ServerCore
    let listenerTag: String

    var context: ChannelHandlerContext?
    var link: ConnectionLink?
    var facts: ConnectionFacts
    var ids: RequestIDSource

    var phase = Phase.idle
    var exchange = Exchange()
    var exchangeNumber: UInt64 = 0
    var pending = CircularBuffer<Pending>()

    // Reading
    /// Between the first part of a batch and its end.
    var isReading = false
    var gotPartInBatch = false
    var isHeadStarted = false
    var isReadHeld = false
    /// The decoder has given up; it delivers nothing more.
    var isInboundBroken = false
    var isInputClosed = false
    var isDraining = false
    var lingerBytes = 0

    // Writing
    var out = ByteBuffer()
    var isWritable = true
    var isFlushing = false
    var isProcessing = false
    var closing: CloseMode?
    var writers: [CheckedContinuation<HTTPBodyError?, Never>] = []

    // Time
    var deadline: NIODeadline?
    var timer: Scheduled<Void>?
    var timerDue = NIODeadline.distantFuture

    init(core: ServerCore, listenerTag: String) {
        self.core = core
        self.listenerTag = listenerTag
        let nobody = RemoteAddress(host: "", port: 0)
        facts = ConnectionFacts(remote: nobody, local: nobody, listenerTag: listenerTag, isTrustedProxy: false)
        ids = RequestIDSource(seeds: (core.options.randomBits(), core.options.randomBits()))
    }

    // MARK: The connection's life

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        let link = ConnectionLink(self, eventLoop: context.eventLoop, listenerTag: listenerTag)
        self.link = link
        let remote = RemoteAddress(context.remoteAddress)
        facts = ConnectionFacts(
            remote: remote, local: RemoteAddress(context.localAddress), listenerTag: listenerTag,
            isTrustedProxy: core.options.trustedProxies.contains(remote))
        switch core.enter(link) {
        case .admitted: arm(.now() + core.headerTimeout)
        case .full: refuse(HTTPRefusal(status: 503, message: "Too many connections; try again later."))
        case .draining: refuse(HTTPRefusal(status: 503, message: "The service is shutting down."))
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let isUnanswered = phase == .exchange && exchange.answer != .complete
        phase = .closed
        disarm()
        pending.removeAll()
        abandonExchange()
        if isUnanswered {
            if exchange.status == 0 { exchange.status = 499 }
            record()
        }
        exchange = Exchange()
        if let link { core.leave(link) }
        link = nil
        self.context = nil
        context.fireChannelInactive()
    }

    /// Nobody waits for the answer any more.
    func abandonExchange() {
        exchange.task?.cancel()
        exchange.body?.fail(.disconnected)
        resumeWriters(with: .disconnected)
    }

    /// Ends the connection as soon as what is in work is answered.
    func drain() {
        isDraining = true
        switch phase {
        case .idle: closeWhenWritten()
        case .exchange:
            guard exchange.answer != .pending else { return }
            exchange.keepsAlive = false
            settle()
            flush()
        case .lingering, .closed: break
        }
    }

    /// Ends the connection now.
    func abort() { close() }

    func close() { context?.close(mode: .all, promise: nil) }

    /// Ends the connection when the client has taken the answers that are on their way.
    private func closeWhenWritten() {
        closing = .all
        flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else {
            context.close(promise: nil)
            return
        }
        guard !isInboundBroken else { return }
        isInboundBroken = true
        let isGone = error == .invalidEOFState
        switch phase {
        case .exchange where !exchange.inboundEnded && exchange.hasBody:
            exchange.body?.fail(isGone ? .disconnected : .malformed)
            exchange.keepsAlive = false
            settle()
            flushUnlessReading()
        case .idle where isGone && pending.isEmpty: closeWhenWritten()
        case .idle, .exchange: take(or: .failure(Self.refusal(for: error)))
        case .lingering, .closed: break
        }
    }

    private static func refusal(for error: HTTPParserError) -> HTTPRefusal {
        switch error {
        case .headerOverflow: HTTPRefusal(status: 431, message: "The header section is too large.")
        case .invalidVersion: HTTPRefusal(status: 505, message: "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        default: HTTPRefusal(status: 400, message: "The request is not valid HTTP/1.1 (\(error)).")
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(ChannelEvent.inputClosed) = event as? ChannelEvent {
            isInputClosed = true
            switch phase {
            case .idle where pending.isEmpty: closeWhenWritten()
            case .idle, .closed: break
            case .exchange:
                // Whether the client only stopped sending or is gone cannot be told apart: what runs is cancelled,
                // and what it answers is still sent.
                exchange.task?.cancel()
                if !exchange.inboundEnded { exchange.body?.fail(.disconnected) }
            case .lingering: close()
            }
        }
        context.fireUserInboundEventTriggered(event)
    }
}

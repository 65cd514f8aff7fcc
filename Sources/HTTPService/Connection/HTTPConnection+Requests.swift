/// Taking requests.
extension HTTPConnection {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        gotPartInBatch = true
        take(or: .part(unwrapInboundIn(data)))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if phase == .idle, !gotPartInBatch, !isHeadStarted {
            // Bytes have come that are no complete head yet.
            isHeadStarted = true
            arm(.now() + core.headerTimeout)
        }
        gotPartInBatch = false
        flush()
        if !pending.isEmpty { processPending() }
        context.fireChannelReadComplete()
    }

    /// The event loop asks whether it shall read on.
    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { isReadHeld = true }
    }

    private var mayRead: Bool { pending.isEmpty && !exchange.isBodyPaused }

    private func releaseRead() {
        guard isReadHeld, mayRead else { return }
        isReadHeld = false
        context?.read()
    }

    /// Whether the next part has its turn.
    private var canTake: Bool {
        switch phase {
        case .idle: isWritable
        case .exchange: !exchange.inboundEnded
        case .lingering, .closed: true
        }
    }

    /// Works on it now, or lets it wait behind the request in work.
    func take(or item: Pending) {
        if pending.isEmpty, canTake { take(item) } else { pending.append(item) }
    }

    private func take(_ item: Pending) {
        switch (phase, item) {
        case (.idle, .part(.head(let head))): begin(head)
        case (.exchange, .part(.body(let buffer))): receive(buffer)
        case (.exchange, .part(.end)): receiveEnd()
        case (.idle, .failure(let refusal)), (.exchange, .failure(let refusal)): refuse(refusal)
        case (.lingering, .part(.body(let buffer))):
            lingerBytes += buffer.readableBytes
            if lingerBytes > Self.lingerBytesMax { close() }
        // A body or end without a head does not come from the decoder; the rest is thrown away.
        case (.idle, .part), (.exchange, .part(.head)), (.lingering, _), (.closed, _): break
        }
    }

    /// Goes on with what waited, as far as possible.
    func processPending() {
        guard !isProcessing else { return }
        isProcessing = true
        repeat {
            while canTake, let next = pending.popFirst() { take(next) }
            flush()
        } while !pending.isEmpty && canTake
        isProcessing = false
        releaseRead()
    }

    private func begin(_ head: HTTPRequestHead) {
        open()
        do throws(HTTPRefusal) {
            try checkSize(of: head)
            let framing = try RequestFraming(head)
            let target = try RequestTarget(head.uri, method: head.method)
            exchange.framing = framing
            exchange.keepsAlive = framing.keepsAlive
            exchange.awaitsContinue = framing.expectsContinue
            if case .length(let length) = framing.body { exchange.inboundRemaining = length }
            let request = HTTPRequest(
                method: head.method, target: target, headers: head.headers, body: makeBody(framing.body),
                connection: facts, id: ids.next())
            exchange.request = request
            start(request)
        } catch {
            refuse(error)
        }
    }

    /// A fresh exchange.
    private func open() {
        phase = .exchange
        isHeadStarted = false
        exchangeNumber += 1
        exchange = Exchange()
        exchange.number = exchangeNumber
        exchange.startedAt = .now()
        deadline = nil
    }

    private func checkSize(of head: HTTPRequestHead) throws(HTTPRefusal) {
        guard head.uri.utf8.count <= core.options.targetBytesMax else {
            throw HTTPRefusal(status: 414, message: "The request target is too long.")
        }
        let size = head.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        guard size <= core.options.headerBytesMax else {
            throw HTTPRefusal(status: 431, message: "The header section is too large.")
        }
    }

    private func makeBody(_ framing: RequestFraming.Body) -> HTTPRequestBody {
        guard framing != .none, let link else { return .empty }
        let number = exchange.number
        let stream = RequestBodyStream { demand in link.demand(demand, exchange: number) }
        exchange.body = stream
        if !exchange.awaitsContinue { arm(.now() + core.stallTimeout) }
        return HTTPRequestBody(.stream(stream), declaredLength: exchange.inboundRemaining)
    }

    private func start(_ request: HTTPRequest) {
        var early: HTTPResponse?
        if !exchange.hasBody {
            early = core.responder.respondAtOnce(to: request)
            if let early, early.isInMemory {
                send(early)
                return
            }
        }
        guard let link else { return }
        core.taskStarted()
        exchange.task = Task { [core, early, number = exchange.number] in
            let response: HTTPResponse
            if let early { response = early } else { response = await core.responder.respond(to: request) }
            await link.send(response, to: request, exchange: number)
            core.taskEnded()
        }
    }

    private func receive(_ buffer: ByteBuffer) {
        exchange.awaitsContinue = false
        exchange.inboundRemaining = exchange.inboundRemaining.map { $0 - buffer.readableBytes }
        arm(.now() + core.stallTimeout)
        if let body = exchange.body, body.push(buffer) {
            exchange.isBodyPaused = true
            deadline = nil
        }
    }

    private func receiveEnd() {
        exchange.inboundEnded = true
        if exchange.hasBody {
            exchange.body?.finish()
            if exchange.answer == .pending { deadline = nil }
        }
        settle()
    }

    /// The reader of the body has begun or caught up.
    func meet(_ demand: RequestBodyStream.Demand, exchange number: UInt64) {
        guard phase == .exchange, exchange.number == number else { return }
        switch demand {
        case .started:
            guard exchange.awaitsContinue, exchange.answer == .pending else { return }
            exchange.awaitsContinue = false
            arm(.now() + core.stallTimeout)
            out.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
            flush()
        case .resume:
            exchange.isBodyPaused = false
            if !exchange.inboundEnded { arm(.now() + core.stallTimeout) }
            releaseRead()
        }
    }

    /// Answers what is no acceptable request, as the last thing on this connection.
    func refuse(_ refusal: HTTPRefusal) {
        if phase == .idle { open() }
        exchange.keepsAlive = false
        if exchange.answer == .pending { send(.refusal(refusal.status, refusal.message)) }
        settle()
        flushUnlessReading()
    }
}

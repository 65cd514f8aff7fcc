/// How other threads reach a connection, which lives on its event loop. Every message names the exchange it belongs
/// to; one that comes too late finds another exchange and is dropped.
struct ConnectionLink: Sendable {
    let eventLoop: any EventLoop
    let connection: NIOLoopBound<HTTPConnection>
    let id: ObjectIdentifier
    let listenerTag: String

    /// On the event loop only.
    init(_ connection: HTTPConnection, eventLoop: any EventLoop, listenerTag: String) {
        self.eventLoop = eventLoop
        self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
        id = ObjectIdentifier(connection)
        self.listenerTag = listenerTag
    }

    /// Sends the responder's answer, whose body may be produced meanwhile.
    func send(_ response: HTTPResponse, to request: HTTPRequest, exchange: UInt64) async {
        var response = response
        if case .file(let file) = response.body {
            response = FileRange.apply(to: response, file: file, request: request)
        }
        guard case .stream(let stream) = response.body else {
            return onLoop { [response] connection in connection.complete(response, exchange: exchange) }
        }
        guard await begin(response, exchange: exchange) else { return }
        let writer = HTTPBodyWriter { buffer in await write(buffer, exchange: exchange) }
        do {
            try await stream.produce(writer)
            onLoop { connection in connection.endStream(exchange: exchange, isWhole: true) }
        } catch {
            onLoop { connection in connection.endStream(exchange: exchange, isWhole: false) }
        }
    }

    /// Sends the head of a streamed response. False: no body is wanted.
    private func begin(_ response: HTTPResponse, exchange: UInt64) async -> Bool {
        await withCheckedContinuation { continuation in
            onLoop { connection in
                continuation.resume(returning: connection.beginStream(response, exchange: exchange))
            }
        }
    }

    private func write(_ buffer: ByteBuffer, exchange: UInt64) async -> HTTPBodyError? {
        await withCheckedContinuation { continuation in
            onLoop { connection in connection.write(buffer, exchange: exchange, then: continuation) }
        }
    }

    /// The reader of the request's body wants something.
    func demand(_ demand: RequestBodyStream.Demand, exchange: UInt64) {
        onLoop { connection in connection.meet(demand, exchange: exchange) }
    }

    /// Closes the connection as soon as the requests in work are answered.
    func drain() { onLoop { connection in connection.drain() } }

    /// Closes the connection now and cancels what runs for it.
    func abort() { onLoop { connection in connection.abort() } }

    private func onLoop(_ work: @escaping @Sendable (HTTPConnection) -> Void) {
        eventLoop.execute { work(connection.value) }
    }
}

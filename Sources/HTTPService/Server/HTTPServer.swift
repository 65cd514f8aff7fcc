import Glibc
package import Logging
package import NIOPosix

/// The HTTP/1.1 server: listeners that come and go, one responder.
///
///     let server = HTTPServer(listeners: [.tcp(host: "127.0.0.1", port: 0)], responder: api, logger: logger)
///     let bound = try await server.start()
///     …
///     await server.shutdown(grace: .seconds(10))
package actor HTTPServer {
    private let core: ServerCore
    private let group: MultiThreadedEventLoopGroup
    private let initial: [Listener]
    private var channels: [String: any Channel] = [:]
    /// Tags whose listeners are being opened.
    private var opening: Set<String> = []
    private var isShutDown = false

    /// A server that does not listen yet.
    ///
    /// `accessLog` is called on event loops, once per request, and must not block.
    package init(
        listeners: [Listener], responder: any HTTPResponder, options: HTTPServerOptions = HTTPServerOptions(),
        group: MultiThreadedEventLoopGroup = .singleton, logger: Logger,
        accessLog: (@Sendable (AccessRecord) -> Void)? = nil
    ) {
        core = ServerCore(responder: responder, options: options, logger: logger, accessLog: accessLog)
        self.group = group
        initial = listeners
    }

    /// Opens the listeners given at the start, in their order. When one cannot be opened, those before it are closed
    /// again.
    package func start() async throws(HTTPServerError) -> [BoundListener] {
        var bound: [BoundListener] = []
        for listener in initial {
            do throws(HTTPServerError) {
                bound.append(try await add(listener))
            } catch {
                for opened in bound { await remove(tag: opened.tag, grace: .zero) }
                throw error
            }
        }
        return bound
    }

    /// Opens one more listener.
    package func add(_ listener: Listener) async throws(HTTPServerError) -> BoundListener {
        guard !isShutDown else { throw .shutDown }
        guard channels[listener.tag] == nil, opening.insert(listener.tag).inserted else {
            throw .duplicateTag(listener.tag)
        }
        defer { opening.remove(listener.tag) }
        let channel = try await open(listener)
        if isShutDown {
            try? await channel.close()
            throw .shutDown
        }
        channels[listener.tag] = channel
        let bound = BoundListener(tag: listener.tag, address: RemoteAddress(channel.localAddress))
        core.logger.info("listening", metadata: ["listener": "\(bound.tag)", "address": "\(bound.address)"])
        return bound
    }

    /// Closes a listener. Its connections end after the requests they are working on, at the latest after `grace`.
    /// Without effect when there is none of that tag.
    package func remove(tag: String, grace: Duration = .seconds(5)) async {
        guard let channel = channels.removeValue(forKey: tag) else { return }
        try? await channel.close()
        for connection in core.connections(of: tag) { connection.drain() }
        let deadline = ContinuousClock.now + grace
        while !core.connections(of: tag).isEmpty, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(10))
        }
        for connection in core.connections(of: tag) { connection.abort() }
    }

    /// Stops accepting, closes idle connections, lets running requests finish within `grace`, then cancels them and
    /// cuts their connections. Returns when nothing runs any more; tasks that ignore their cancellation are given up
    /// on after five seconds and logged.
    package func shutdown(grace: Duration) async {
        isShutDown = true
        core.startDraining()
        let closing = channels.values
        channels = [:]
        for channel in closing { try? await channel.close() }
        for connection in core.connections(of: nil) { connection.drain() }
        if await core.waitUntilQuiet(atMost: grace) { return }
        for connection in core.connections(of: nil) { connection.abort() }
        if await core.waitUntilQuiet(atMost: .seconds(5)) { return }
        core.logger.warning("requests still running after shutdown", metadata: ["tasks": "\(core.remaining.tasks)"])
    }

    private func open(_ listener: Listener) async throws(HTTPServerError) -> any Channel {
        let bootstrap = bootstrap(tag: listener.tag)
        switch listener.source {
        case .address(let host, let port):
            do {
                return try await bootstrap.bind(host: host, port: port).get()
            } catch {
                throw Self.explain(error, host: host, port: port)
            }
        case .descriptor(let descriptor):
            guard Self.isListening(descriptor) else { throw .notListening(descriptor: descriptor) }
            do {
                return try await bootstrap.withBoundSocket(descriptor).get()
            } catch {
                throw .notListening(descriptor: descriptor)
            }
        }
    }

    private func bootstrap(tag: String) -> ServerBootstrap {
        let core = core
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = max(core.options.headerBytesMax, core.options.targetBytesMax)
        limits.maxHeaderListSize = core.options.headerBytesMax + core.options.targetBytesMax
        limits.maxHeaderFieldCount = core.options.headerFieldsMax
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // One read per wake-up: a second one would nearly always find nothing.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            // The end of the client's sending is seen without losing the way back to it.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [limits] channel in
                channel.eventLoop.makeCompletedFuture {
                    let decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(decoder), HTTPConnection(core: core, listenerTag: tag),
                    ])
                }
            }
    }

    private static func isListening(_ descriptor: CInt) -> Bool {
        var value: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1
    }

    private static func explain(_ error: any Error, host: String, port: Int) -> HTTPServerError {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: .portInUse(host: host, port: port)
        case EACCES, EPERM: .notPermitted(host: host, port: port)
        case EADDRNOTAVAIL: .noSuchAddress(host: host, port: port)
        case nil where error is SocketAddressError || error is SocketAddressError.UnknownHost:
            .noSuchAddress(host: host, port: port)
        default: .system(host: host, port: port, reason: "\(error)")
        }
    }
}

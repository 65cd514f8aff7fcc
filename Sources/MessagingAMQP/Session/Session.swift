import CRabbitMQ
import Glibc
import ServiceOptions

/// One connection to one broker through rabbitmq-c. It belongs to the thread that opened it: the library is not
/// thread-safe, and its calls block.
final class Session {
    let state: amqp_connection_state_t
    /// Host and port, for messages.
    let name: String
    /// The largest part of a body in one frame.
    private let frameMax: Int
    private var assembly: [UInt16: Assembly] = [:]

    /// A message whose parts are arriving on a channel.
    struct Assembly {
        enum Origin {
            case delivery(tag: UInt64, isRedelivered: Bool)
            case returned(code: UInt16, reason: String)
        }
        var origin: Origin
        var routingKey: String
        var properties = WireProperties()
        var size = -1
        var body: [UInt8] = []
    }

    private init(_ state: amqp_connection_state_t, name: String) {
        (self.state, self.name) = (state, name)
        frameMax = Int(amqp_get_frame_max(state))
    }

    deinit { amqp_destroy_connection(state) }

    /// The socket, to wait for.
    var descriptor: Int32 { amqp_get_sockfd(state) }

    /// Connects, secures and logs in. Takes at most about ten seconds.
    static func open(
        _ broker: TransportURL.Broker, _ settings: BrokerSettings, role: String
    ) throws(SessionError) -> Session {
        let name = settings.name(of: broker)
        guard let state = amqp_new_connection() else {
            throw SessionError(.unreachable, "there is no memory for a connection to \(name)")
        }
        var isOpen = false
        defer { if !isOpen { amqp_destroy_connection(state) } }
        let socket = try makeSocket(state, settings.tls, name)
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        amqp_set_handshake_timeout(state, &patience)
        amqp_set_rpc_timeout(state, &patience)
        let status = amqp_socket_open_noblock(socket, broker.host, Int32(settings.port(of: broker)), &patience)
        guard status == AMQP_STATUS_OK.rawValue else { throw failure(toReach: name, status, settings) }
        let arena = CArena()
        var properties = arena.clientProperties(name: "\(settings.connectionName) \(role)")
        let answer = kilonova_amqp_login(
            state, settings.url.virtualHost, 131_072, Int32(settings.heartbeatSeconds), &properties, broker.user,
            broker.password.revealed)
        if let error = failure(of: answer, name, "log in") {
            throw describe(error, broker, settings)
        }
        isOpen = true
        return Session(state, name: name)
    }

    private static func makeSocket(
        _ state: amqp_connection_state_t, _ tls: BrokerSettings.TLS?, _ name: String
    ) throws(SessionError) -> OpaquePointer {
        guard let tls else {
            guard let socket = amqp_tcp_socket_new(state) else {
                throw SessionError(.unreachable, "there is no memory for a socket to \(name)")
            }
            return socket
        }
        guard let socket = amqp_ssl_socket_new(state) else {
            throw SessionError(.unreachable, "there is no memory for a socket to \(name)")
        }
        amqp_ssl_socket_set_verify_peer(socket, 1)
        amqp_ssl_socket_set_verify_hostname(socket, 1)
        _ = amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST)
        guard amqp_ssl_socket_set_cacert(socket, tls.authorities) == AMQP_STATUS_OK.rawValue else {
            throw SessionError(
                .untrusted,
                "[oslo_messaging_rabbit] ssl_ca_file = \(tls.authorities) cannot be read as certificates in PEM; name "
                    + "the file with the certificate of the authority that signed the broker's")
        }
        guard let certificate = tls.certificate else { return socket }
        let key = tls.key ?? certificate
        guard amqp_ssl_socket_set_key(socket, certificate, key) == AMQP_STATUS_OK.rawValue else {
            throw SessionError(
                .untrusted,
                "[oslo_messaging_rabbit] ssl_cert_file = \(certificate) and ssl_key_file = \(key) cannot be used; name "
                    + "a certificate and the key that belongs to it, both in PEM")
        }
        return socket
    }

    private static func failure(
        toReach name: String, _ status: Int32, _ settings: BrokerSettings
    ) -> SessionError {
        let reason = String(cString: amqp_error_string2(status))
        let untrusted = [
            AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED, AMQP_STATUS_SSL_PEER_VERIFY_FAILED,
            AMQP_STATUS_SSL_CONNECTION_FAILED,
        ]
        guard untrusted.contains(where: { $0.rawValue == status }) else {
            return SessionError(.unreachable, "the message broker at \(name) cannot be reached: \(reason)")
        }
        return SessionError(
            status == AMQP_STATUS_SSL_CONNECTION_FAILED.rawValue ? .unreachable : .untrusted,
            "the message broker at \(name) is not trusted: \(reason); [oslo_messaging_rabbit] ssl_ca_file = "
                + "\(settings.tls?.authorities ?? "") must hold the authority of its certificate, and the certificate "
                + "must name the host of [DEFAULT] transport_url")
    }

    /// A refused login as an operator needs to read it.
    private static func describe(
        _ error: SessionError, _ broker: TransportURL.Broker, _ settings: BrokerSettings
    ) -> SessionError {
        let name = settings.name(of: broker)
        switch error.kind {
        case .refusedLogin:
            return SessionError(
                .refusedLogin,
                "the message broker at \(name) refuses the user '\(broker.user)' of [DEFAULT] transport_url "
                    + "(\(error.description)); correct user and password there, or add the user with rabbitmqctl "
                    + "add_user and set_permissions")
        case .noVirtualHost:
            return SessionError(
                .noVirtualHost,
                "the message broker at \(name) refuses the virtual host '\(settings.url.virtualHost)' of [DEFAULT] "
                    + "transport_url (\(error.description)); correct the path of the URL, or add it with rabbitmqctl "
                    + "add_vhost and set_permissions")
        case .unreachable, .untrusted, .otherProperties, .ended:
            return error
        }
    }

    // MARK: Calls that wait for the broker's answer

    func openChannel(_ channel: UInt16, confirms: Bool = false) throws(SessionError) {
        amqp_channel_open(state, channel)
        try check("open a channel")
        guard confirms else { return }
        amqp_confirm_select(state, channel)
        try check("have messages confirmed")
    }

    func closeChannel(_ channel: UInt16) throws(SessionError) {
        assembly[channel] = nil
        try check(amqp_channel_close(state, channel, 200), "close a channel")
    }

    func declareQueue(
        _ name: String, on channel: UInt16, durable: Bool, exclusive: Bool = false,
        _ arguments: [String: WireProperties.Value] = [:]
    ) throws(SessionError) {
        let arena = CArena()
        amqp_queue_declare(
            state, channel, arena.bytes(name), 0, durable ? 1 : 0, exclusive ? 1 : 0, exclusive ? 1 : 0,
            arena.table(arguments))
        try check("declare the queue '\(name)'")
    }

    func declareFanOut(_ name: String, on channel: UInt16) throws(SessionError) {
        let arena = CArena()
        amqp_exchange_declare(
            state, channel, arena.bytes(name), arena.bytes("fanout"), 0, 1, 0, 0, arena.table([:]))
        try check("declare the exchange '\(name)'")
    }

    func bind(_ queue: String, to exchange: String, on channel: UInt16) throws(SessionError) {
        let arena = CArena()
        amqp_queue_bind(
            state, channel, arena.bytes(queue), arena.bytes(exchange), arena.bytes(""), arena.table([:]))
        try check("bind the queue '\(queue)'")
    }

    func consume(_ queue: String, tag: String, on channel: UInt16, prefetch: Int) throws(SessionError) {
        amqp_basic_qos(state, channel, 0, UInt16(clamping: prefetch), 0)
        try check("limit what is delivered from '\(queue)'")
        let arena = CArena()
        amqp_basic_consume(
            state, channel, arena.bytes(queue), arena.bytes(tag), 0, 0, 0, arena.table([:]))
        try check("consume from '\(queue)'")
    }

    func cancel(tag: String, on channel: UInt16) throws(SessionError) {
        let arena = CArena()
        amqp_basic_cancel(state, channel, arena.bytes(tag))
        try check("stop consuming")
    }

    func deleteQueue(_ name: String, on channel: UInt16) throws(SessionError) {
        let arena = CArena()
        amqp_queue_delete(state, channel, arena.bytes(name), 0, 0)
        try check("delete the queue '\(name)'")
    }

    // MARK: Calls that only write

    func publish(
        _ body: [UInt8], _ properties: WireProperties, to routingKey: String, exchange: String, on channel: UInt16
    ) throws(SessionError) {
        let arena = CArena()
        let status = properties.withNative { native in
            body.withUnsafeBytes { bytes in
                amqp_basic_publish(
                    state, channel, arena.bytes(exchange), arena.bytes(routingKey), exchange.isEmpty ? 1 : 0, 0, native,
                    amqp_bytes_t(len: bytes.count, bytes: UnsafeMutableRawPointer(mutating: bytes.baseAddress)))
            }
        }
        try check(status, "publish")
    }

    func acknowledge(_ tag: UInt64, on channel: UInt16) throws(SessionError) {
        try check(amqp_basic_ack(state, channel, tag, 0), "acknowledge")
    }

    /// Gives a message back, to be delivered again.
    func giveBack(_ tag: UInt64, on channel: UInt16) throws(SessionError) {
        try check(amqp_basic_nack(state, channel, tag, 0, 1), "give back")
    }

    /// Says good-bye. Errors do not matter any more.
    func close() { _ = amqp_connection_close(state, 200) }

    // MARK: Reading

    /// What has arrived, one thing at a time; nil when nothing more is there. Sends heartbeats when they are due.
    func next() throws(SessionError) -> SessionEvent? {
        while true {
            amqp_maybe_release_buffers(state)
            var frame = amqp_frame_t()
            var atOnce = timeval(tv_sec: 0, tv_usec: 0)
            let status = amqp_simple_wait_frame_noblock(state, &frame, &atOnce)
            if status == AMQP_STATUS_TIMEOUT.rawValue { return nil }
            try check(status, "read")
            if let event = try take(frame) { return event }
        }
    }

    private func take(_ frame: amqp_frame_t) throws(SessionError) -> SessionEvent? {
        switch UInt32(frame.frame_type) {
        case UInt32(AMQP_FRAME_METHOD):
            return try take(frame.payload.method, on: frame.channel)
        case UInt32(AMQP_FRAME_HEADER):
            guard var message = assembly[frame.channel], let decoded = frame.payload.properties.decoded else {
                return nil
            }
            message.properties = WireProperties(
                decoded.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee)
            message.size = Int(clamping: frame.payload.properties.body_size)
            message.body.reserveCapacity(min(message.size, 1 << 20))
            assembly[frame.channel] = message
            return finished(frame.channel)
        case UInt32(AMQP_FRAME_BODY):
            let fragment = frame.payload.body_fragment
            assembly[frame.channel]?.body.append(
                contentsOf: UnsafeRawBufferPointer(start: fragment.bytes, count: fragment.len))
            return finished(frame.channel)
        default:
            return nil
        }
    }

    private func finished(_ channel: UInt16) -> SessionEvent? {
        guard let message = assembly[channel], message.size >= 0, message.body.count >= message.size else { return nil }
        assembly[channel] = nil
        switch message.origin {
        case .delivery(let tag, let isRedelivered):
            return .delivery(
                WireDelivery(
                    channel: channel, tag: tag, isRedelivered: isRedelivered, routingKey: message.routingKey,
                    properties: message.properties, body: message.body))
        case .returned(_, let reason):
            return .returned(
                channel, messageID: message.properties.messageID, correlationID: message.properties.correlationID,
                routingKey: message.routingKey, reason: reason)
        }
    }

    private func take(_ method: amqp_method_t, on channel: UInt16) throws(SessionError) -> SessionEvent? {
        guard let decoded = method.decoded else { return nil }
        switch method.id {
        case kilonova_basic_deliver:
            let deliver = decoded.assumingMemoryBound(to: amqp_basic_deliver_t.self).pointee
            assembly[channel] = Assembly(
                origin: .delivery(tag: deliver.delivery_tag, isRedelivered: deliver.redelivered != 0),
                routingKey: String(deliver.routing_key))
            return nil
        case kilonova_basic_return:
            let back = decoded.assumingMemoryBound(to: amqp_basic_return_t.self).pointee
            assembly[channel] = Assembly(
                origin: .returned(code: back.reply_code, reason: String(back.reply_text)),
                routingKey: String(back.routing_key))
            return nil
        case kilonova_basic_ack:
            let ack = decoded.assumingMemoryBound(to: amqp_basic_ack_t.self).pointee
            return .confirmed(tag: ack.delivery_tag, isMultiple: ack.multiple != 0, isRefused: false)
        case kilonova_basic_nack:
            let nack = decoded.assumingMemoryBound(to: amqp_basic_nack_t.self).pointee
            return .confirmed(tag: nack.delivery_tag, isMultiple: nack.multiple != 0, isRefused: true)
        case kilonova_basic_cancel:
            return .cancelled(channel)
        case kilonova_connection_blocked: return .blocked(true)
        case kilonova_connection_unblocked: return .blocked(false)
        case kilonova_channel_close, kilonova_connection_close:
            throw Self.serverFailure(method, name, "go on")
        default:
            return nil
        }
    }

    // MARK: Errors

    private func check(_ doing: String) throws(SessionError) { try check(amqp_get_rpc_reply(state), doing) }

    private func check(_ reply: amqp_rpc_reply_t, _ doing: String) throws(SessionError) {
        if let error = Self.failure(of: reply, name, doing) { throw error }
    }

    private func check(_ status: Int32, _ doing: String) throws(SessionError) {
        guard status != AMQP_STATUS_OK.rawValue else { return }
        throw SessionError(
            .unreachable, "the connection to the message broker at \(name) is lost (\(doing)): "
                + String(cString: amqp_error_string2(status)))
    }

    private static func failure(of reply: amqp_rpc_reply_t, _ name: String, _ doing: String) -> SessionError? {
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL: return nil
        case AMQP_RESPONSE_SERVER_EXCEPTION: return serverFailure(reply.reply, name, doing)
        case AMQP_RESPONSE_LIBRARY_EXCEPTION:
            return SessionError(
                .unreachable, "the message broker at \(name) does not let this process \(doing): "
                    + String(cString: amqp_error_string2(reply.library_error)))
        default:
            return SessionError(.unreachable, "the message broker at \(name) closed the connection (\(doing))")
        }
    }

    private static func serverFailure(_ method: amqp_method_t, _ name: String, _ doing: String) -> SessionError {
        var code: UInt16 = 0
        var text = "it gave no reason"
        if let decoded = method.decoded {
            switch method.id {
            case kilonova_connection_close:
                let close = decoded.assumingMemoryBound(to: amqp_connection_close_t.self).pointee
                (code, text) = (close.reply_code, String(close.reply_text))
            case kilonova_channel_close:
                let close = decoded.assumingMemoryBound(to: amqp_channel_close_t.self).pointee
                (code, text) = (close.reply_code, String(close.reply_text))
            default: break
            }
        }
        switch code {
        case 403: return SessionError(.refusedLogin, text)
        case 406: return SessionError(.otherProperties, text)
        case 530: return SessionError(.noVirtualHost, text)
        default:
            return SessionError(.ended, "the message broker at \(name) does not let this process \(doing): \(text)")
        }
    }
}

/// Something that arrived on a connection.
enum SessionEvent {
    case delivery(WireDelivery)
    /// A message of ours that no queue took.
    case returned(UInt16, messageID: String, correlationID: String, routingKey: String, reason: String)
    /// The broker has what we published, up to this number, or refuses it.
    case confirmed(tag: UInt64, isMultiple: Bool, isRefused: Bool)
    /// The broker has stopped delivering on a channel: a queue was deleted.
    case cancelled(UInt16)
    /// The broker wants no messages for now, or wants them again.
    case blocked(Bool)
}

/// A message as it was delivered.
struct WireDelivery: Sendable {
    var channel: UInt16
    var tag: UInt64
    var isRedelivered: Bool
    var routingKey: String
    var properties: WireProperties
    var body: [UInt8]

    /// A copy for one service of many: those have no routing key.
    var isFanOut: Bool { routingKey.isEmpty }
}

extension Session {
    /// Whether the socket takes more without blocking.
    var isWritable: Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&polled, 1, 0) == 1 && polled.revents & Int16(POLLOUT) != 0
    }
}

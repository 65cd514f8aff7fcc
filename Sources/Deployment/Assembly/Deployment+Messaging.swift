import FoundationEssentials
import Logging
import Messaging
import MessagingAMQP
import ServiceOptions

extension Deployment {
    /// What carries messages: this process itself, or the broker of `[DEFAULT] transport_url`.
    ///
    /// - Throws: ``DeploymentError`` with option and remedy when no broker lets this process work.
    func makeTransport() async throws(DeploymentError) -> any RPCTransport {
        guard let settings = try Self.brokerSettings(up.options, host: host) else {
            return InProcessTransport(
                limits: InProcessTransport.Limits(queue: up.options.kilonova.queueLimit), logger: logger("messaging"))
        }
        do throws(BrokerConfigurationError) {
            return try await AMQPTransport.connect(settings, logger: logger("messaging"))
        } catch {
            throw DeploymentError(.unavailable, error.description)
        }
    }

    /// How the broker is reached; nil without one.
    static func brokerSettings(_ options: KilonovaOptions, host: String) throws(DeploymentError) -> BrokerSettings? {
        guard let text = options.transport.url, !text.isEmpty else { return nil }
        let url: TransportURL
        do throws(BrokerConfigurationError) {
            url = try TransportURL(text)
        } catch {
            throw DeploymentError(.configuration, error.description)
        }
        let rabbit = options.rabbit
        var settings = BrokerSettings(url: url)
        if url.asksForTLS ?? rabbit.usesTLS { settings.tls = try tls(rabbit) }
        settings.heartbeatThreshold = rabbit.heartbeatThreshold
        settings.usesQuorumQueues = rabbit.usesQuorumQueues
        settings.prefetch = rabbit.prefetch > 0 ? rabbit.prefetch : nil
        settings.retryPauseMax = rabbit.retryPauseMax
        settings.replyQueueLifetime = rabbit.replyQueueLifetime
        settings.bodyBytesMax = Int(options.kilonova.messageSizeMax.bytes)
        settings.startPatience = options.kilonova.brokerStartPatience
        settings.sendTimeout = options.node.rpcResponseTimeout
        settings.waitingMax = options.kilonova.queueLimit
        settings.connectionName = "kilonovad@\(host)"
        return settings
    }

    private static func tls(_ rabbit: RabbitOptions) throws(DeploymentError) -> BrokerSettings.TLS {
        let system = "/etc/ssl/certs/ca-certificates.crt"
        let authorities = rabbit.authorities ?? system
        let files = [("ssl_ca_file", authorities), ("ssl_cert_file", rabbit.certificate), ("ssl_key_file", rabbit.key)]
        for case (let option, let path?) in files where !FileManager.default.isReadableFile(atPath: path) {
            throw DeploymentError(
                .configuration,
                "[oslo_messaging_rabbit] \(option) = \(path): there is no such file that this process may read; name "
                    + "one in PEM")
        }
        return BrokerSettings.TLS(authorities: authorities, certificate: rabbit.certificate, key: rabbit.key)
    }
}

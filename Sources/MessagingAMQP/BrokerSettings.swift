/// How a broker is reached and used.
package struct BrokerSettings: Sendable {
    /// TLS to the broker. The broker's certificate and name are always verified.
    package struct TLS: Sendable, Hashable {
        /// Certificates of the authorities that are trusted, PEM.
        package var authorities: String
        /// Certificate and key of this client, PEM; nil: none is shown.
        package var certificate: String?
        package var key: String?

        package init(authorities: String, certificate: String? = nil, key: String? = nil) {
            (self.authorities, self.certificate, self.key) = (authorities, certificate, key)
        }
    }
    package var url: TransportURL
    package var tls: TLS?
    /// Silence after which the broker counts as dead; zero: never. At least two seconds.
    package var heartbeatThreshold: Duration = .seconds(60)
    /// Work queues are quorum queues.
    package var usesQuorumQueues = false
    /// The most messages given to one consumer before it acknowledges; nil: as many as it works on at a time.
    package var prefetch: Int?
    /// The longest pause between two attempts to connect.
    package var retryPauseMax: Duration = .seconds(2)
    /// How long the queue of answers waits for a process that is gone.
    package var replyQueueLifetime: Duration = .seconds(1800)
    /// The largest body, in bytes.
    package var bodyBytesMax = 16 << 20
    /// How often a message is delivered before it counts as poison.
    package var deliveriesMax = 10
    /// How long the first connection may take before a process gives up starting.
    package var startPatience: Duration = .seconds(30)
    /// How long messages without a deadline wait for the broker.
    package var sendTimeout: Duration = .seconds(60)
    /// Messages that wait for the broker before further ones are turned away.
    package var waitingMax = 20_000
    /// The name that the broker's list of connections shows.
    package var connectionName = "kilonova"

    package init(url: TransportURL) { self.url = url }

    /// How often heartbeats are exchanged: a connection is dead after two of them were missed.
    var heartbeatSeconds: Int {
        guard heartbeatThreshold > .zero else { return 0 }
        return max(1, Int(heartbeatThreshold / .seconds(2)))
    }

    /// The port where the URL names none.
    func port(of broker: TransportURL.Broker) -> Int { broker.port > 0 ? broker.port : tls == nil ? 5672 : 5671 }

    /// A broker as messages name it.
    func name(of broker: TransportURL.Broker) -> String {
        var broker = broker
        broker.port = port(of: broker)
        return broker.description
    }
}

/// [DEFAULT], how services reach one another.
package struct TransportOptions: OptionGroup {
    package static let group = "DEFAULT"
    package static let help = ""

    @Option(
        "transport_url",
        help: """
            The message broker: rabbit://user:password@host:port,host2:port2/vhost. Hosts after the first are used when
            those before do not answer. Characters with a meaning in URLs are written as % codes. Unset: messages stay
            in this process.
            """)
    package var url: Secret?

    package init() {}
}

/// [oslo_messaging_rabbit]
package struct RabbitOptions: OptionGroup {
    package static let group = "oslo_messaging_rabbit"
    package static let help = "How a message broker of [DEFAULT] transport_url is used."

    @Option("ssl", help: "Connect with TLS. The broker's certificate and its name are verified.")
    package var usesTLS = false

    @Option(
        "ssl_ca_file", .path,
        help: "Certificates of the authorities that are trusted, in PEM. Unset: those of the system.")
    package var authorities: String?

    @Option("ssl_cert_file", .path, help: "The certificate that is shown to the broker, in PEM. Unset: none.")
    package var certificate: String?

    @Option("ssl_key_file", .path, help: "The key of that certificate, in PEM. Unset: it stands in the same file.")
    package var key: String?

    @Option(
        "heartbeat_timeout_threshold", .duration,
        help: "Silence after which the broker counts as dead; 0: heartbeats are not exchanged. At least 2 s otherwise.")
    package var heartbeatThreshold = Duration.seconds(60)

    @Option(
        "rabbit_quorum_queue",
        help: """
            Keep messages in quorum queues, which survive the loss of a broker of a cluster. A queue keeps the kind with
            which it was made; to change it, stop all services and delete the queues.
            """)
    package var usesQuorumQueues = false

    @Option(
        "rabbit_qos_prefetch_count", .integer(0...65535),
        help: """
            The most messages that the broker gives to one consumer before it acknowledges some; 0: as many as it works
            on at the same time.
            """)
    package var prefetch = 0

    @Option(
        "rabbit_interval_max", .duration(.milliseconds(100)...),
        help: "The longest pause between two attempts to connect.")
    package var retryPauseMax = Duration.seconds(2)

    @Option(
        "rabbit_transient_queues_ttl", .duration(.seconds(60)...),
        help: "How long the broker keeps the queue of answers of a process that is gone.")
    package var replyQueueLifetime = Duration.seconds(1800)

    package init() {}
}

import Messaging

/// A topic being consumed from a broker.
struct AMQPSubscription: TransportSubscription {
    /// What is consumed, on which channel.
    struct Place: Sendable {
        var topic: String
        var host: String?
        var channel: UInt16
    }
    let transport: AMQPTransport
    let place: Place
    let pump: DeliveryPump

    /// Messages that wait stay in their queues for others, or for this service when it comes back.
    func drain(grace: Duration) async -> Bool { await transport.end(place, pump, grace: grace) }
}

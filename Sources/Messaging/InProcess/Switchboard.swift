/// The state of the in-process transport: queues, who takes from them, and who waits for room. Pure: every event
/// returns what to do, and no method waits, starts tasks or takes locks.
///
///     send ─▶ queue ─▶ a subscriber with a free place ─▶ work ─▶ acknowledged
///               │ full: the sender waits in line          └▶ not acknowledged: back to the front of the queue
struct Switchboard: Sendable {
    typealias SubscriberID = Int
    typealias SenderID = UInt64

    struct Item: Sendable {
        var envelope: Envelope
        var isRedelivered = false
    }

    /// A message and who works on it.
    struct Assignment: Sendable {
        var item: Item
        var queue: QueueName
        var subscriber: SubscriberID
        /// Senders for whom there is room now: their messages were queued.
        var admitted: [SenderID] = []
    }

    enum QueueName: Hashable, Sendable {
        case address(Address)
        /// The copy of a topic's fan-outs that belongs to one subscriber.
        case fanOut(SubscriberID)

        /// For logs.
        var text: String {
            switch self {
            case .address(let address): address.description
            case .fanOut(let subscriber): "fan-out \(subscriber)"
            }
        }
    }

    enum SendAction {
        /// A subscriber has a free place.
        case work(Assignment)
        case queued
        /// The queue is full: wait until admitted.
        case wait
        case refuse(MessagingError)
    }

    private struct Queue: Sendable {
        var items = FIFO<Item>()
        var subscribers: [SubscriberID] = []
        /// Senders in line with their messages, each below its queue's limit of senders.
        var senders = FIFO<(id: SenderID, item: Item)>()
        var turn = 0
    }

    private struct Subscriber: Sendable {
        var topic: String
        var queues: [QueueName]
        var limit: Int
        var running = 0
        var isDraining = false
        /// Which of its queues it looks into first, so that none starves.
        var turn = 0
    }

    private let queueLimit: Int
    private let senderLimit: Int
    private var queues: [QueueName: Queue] = [:]
    private var subscribers: [SubscriberID: Subscriber] = [:]
    private var lastSubscriber = 0

    init(queueLimit: Int, senderLimit: Int) { (self.queueLimit, self.senderLimit) = (queueLimit, senderLimit) }
}

// MARK: - Sending

extension Switchboard {
    /// A message arrives. `jumpsQueue` puts it before those that wait.
    mutating func send(_ item: Item, to address: Address, sender: SenderID, jumpsQueue: Bool = false) -> SendAction {
        let name = QueueName.address(address)
        guard queues[name] != nil else { return .refuse(.noReceiver(address)) }
        if let assignment = assign(item, from: name) { return .work(assignment) }
        return enqueue(item, name, sender, address, jumpsQueue)
    }

    /// A message arrives for every subscriber of a topic. All get it or none.
    mutating func fanOut(_ item: Item, topic: String) throws(MessagingError) -> [Assignment] {
        let targets = subscribers.filter { $0.value.topic == topic && !$0.value.isDraining }.keys.sorted()
        let isFull = targets.contains { id in (queues[.fanOut(id)]?.items.count ?? 0) >= queueLimit }
        if isFull { throw .overloaded(Address(topic: topic)) }
        return targets.compactMap { id in
            if let assignment = assign(item, from: .fanOut(id)) { return assignment }
            queues[.fanOut(id)]?.items.append(item)
            return nil
        }
    }

    /// A sender no longer waits. False: it had been admitted already.
    mutating func giveUp(_ sender: SenderID, at address: Address) -> Bool {
        let before = queues[.address(address)]?.senders.count ?? 0
        queues[.address(address)]?.senders.removeAll { $0.id == sender }
        return (queues[.address(address)]?.senders.count ?? 0) < before
    }

    private mutating func enqueue(
        _ item: Item, _ name: QueueName, _ sender: SenderID, _ address: Address, _ jumpsQueue: Bool
    ) -> SendAction {
        guard let queue = queues[name] else { return .refuse(.noReceiver(address)) }
        if queue.items.count < queueLimit, queue.senders.isEmpty {
            if jumpsQueue { queues[name]?.items.prepend(item) } else { queues[name]?.items.append(item) }
            return .queued
        }
        guard queue.senders.count < senderLimit else { return .refuse(.overloaded(address)) }
        queues[name]?.senders.append((sender, item))
        return .wait
    }

    /// Gives the message to the next subscriber of the queue that has a free place, unless others wait before it.
    private mutating func assign(_ item: Item, from name: QueueName) -> Assignment? {
        guard let queue = queues[name], queue.items.isEmpty else { return nil }
        for step in 0..<queue.subscribers.count {
            let index = (queue.turn + step) % queue.subscribers.count
            let id = queue.subscribers[index]
            guard let subscriber = subscribers[id], subscriber.running < subscriber.limit else { continue }
            subscribers[id]?.running += 1
            queues[name]?.turn = index + 1
            return Assignment(item: item, queue: name, subscriber: id)
        }
        return nil
    }
}

// MARK: - Receiving

extension Switchboard {
    mutating func subscribe(topic: String, host: String?, limit: Int) -> SubscriberID {
        lastSubscriber += 1
        var names: [QueueName] = [.fanOut(lastSubscriber), .address(Address(topic: topic))]
        if let host { names.append(.address(Address(topic: topic, host: host))) }
        for name in names { queues[name, default: Queue()].subscribers.append(lastSubscriber) }
        subscribers[lastSubscriber] = Subscriber(topic: topic, queues: names, limit: max(1, limit))
        return lastSubscriber
    }

    /// The work on a message is over. Gives the subscriber's next message; its place stays taken with it.
    mutating func next(for id: SubscriberID) -> Assignment? {
        guard let subscriber = subscribers[id] else { return nil }
        for step in 0..<subscriber.queues.count {
            let index = (subscriber.turn + step) % subscriber.queues.count
            let name = subscriber.queues[index]
            guard let item = queues[name]?.items.popFirst() else { continue }
            subscribers[id]?.turn = index + 1
            return Assignment(item: item, queue: name, subscriber: id, admitted: admit(to: name))
        }
        subscribers[id]?.running -= 1
        return nil
    }

    /// A subscriber's task ends without taking another message.
    mutating func stop(_ id: SubscriberID) -> Assignment? {
        subscribers[id]?.running -= 1
        return nil
    }

    /// A subscriber gave a message back: it becomes the first of its queue. False: nobody else takes from there.
    mutating func giveBack(_ assignment: Assignment) -> Bool {
        guard let queue = queues[assignment.queue] else { return false }
        guard queue.subscribers.contains(where: { $0 != assignment.subscriber }) else { return false }
        var item = assignment.item
        item.isRedelivered = true
        queues[assignment.queue]?.items.prepend(item)
        return true
    }

    /// Messages that wait while a subscriber has a free place, as after one was given back.
    mutating func startable() -> [Assignment] {
        var assignments: [Assignment] = []
        for id in subscribers.keys.sorted() {
            while let subscriber = subscribers[id], subscriber.running < subscriber.limit {
                subscribers[id]?.running += 1
                guard let assignment = next(for: id) else { break }
                assignments.append(assignment)
            }
        }
        return assignments
    }

    private mutating func admit(to name: QueueName) -> [SenderID] {
        var admitted: [SenderID] = []
        while let queue = queues[name], queue.items.count < queueLimit, let sender = queues[name]?.senders.popFirst() {
            queues[name]?.items.append(sender.item)
            admitted.append(sender.id)
        }
        return admitted
    }
}

// MARK: - Ending

extension Switchboard {
    /// The subscriber takes no new messages. Where it was the last taker of a queue, it finishes what is in it, and
    /// senders find the queue gone; the senders in line are returned, to be refused.
    mutating func drain(_ id: SubscriberID) -> [SenderID] {
        guard let subscriber = subscribers[id], !subscriber.isDraining else { return [] }
        subscribers[id]?.isDraining = true
        var refused: [SenderID] = []
        for name in subscriber.queues {
            queues[name]?.subscribers.removeAll { $0 == id }
            if queues[name]?.subscribers.isEmpty == true {
                let queue = queues.removeValue(forKey: name)
                var senders = queue?.senders ?? FIFO()
                refused += senders.takeAll().map(\.id)
                let rest = queue?.items ?? FIFO()
                // Kept under a name that only this subscriber knows.
                if !rest.isEmpty { move(rest, to: id) }
            }
        }
        subscribers[id]?.queues = [.fanOut(id)]
        if queues[.fanOut(id)] == nil { subscribers[id]?.queues = [] }
        return refused
    }

    /// True when nothing is left to do for a draining subscriber.
    func isIdle(_ id: SubscriberID) -> Bool {
        guard let subscriber = subscribers[id] else { return true }
        return subscriber.running == 0 && subscriber.queues.allSatisfy { queues[$0]?.items.isEmpty ?? true }
    }

    /// Forgets a subscriber; returns the messages that nobody will work on.
    mutating func remove(_ id: SubscriberID) -> [Item] {
        subscribers[id] = nil
        var queue = queues.removeValue(forKey: .fanOut(id))
        return queue?.items.takeAll() ?? []
    }

    private mutating func move(_ items: FIFO<Item>, to id: SubscriberID) {
        var items = items
        var queue = queues.removeValue(forKey: .fanOut(id)) ?? Queue()
        for item in items.takeAll() { queue.items.append(item) }
        queues[.fanOut(id)] = queue
    }
}

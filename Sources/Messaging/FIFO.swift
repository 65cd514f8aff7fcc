/// A first-in-first-out queue in an array, with room at the front for what comes back.
package struct FIFO<Element> {
    private var items: [Element?] = []
    private var head = 0

    package init() {}

    /// How many items there are.
    package var count: Int { items.count - head }
    /// True when there is none.
    package var isEmpty: Bool { count == 0 }

    /// Puts an item at the end.
    package mutating func append(_ item: Element) { items.append(item) }

    /// Puts an item before all others.
    package mutating func prepend(_ item: Element) {
        if head > 0 {
            head -= 1
            items[head] = item
        } else {
            items.insert(item, at: 0)
        }
    }

    /// Takes the first item.
    package mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        let item = items[head]
        items[head] = nil
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: items.capacity <= 1024)
            head = 0
        } else if head > 512, head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
        return item
    }

    /// Drops the items for which the closure returns true.
    package mutating func removeAll(where shouldRemove: (Element) -> Bool) {
        items = items[head...].filter { $0.map { !shouldRemove($0) } ?? false }
        head = 0
    }

    /// Everything in order; the queue is empty afterwards.
    package mutating func takeAll() -> [Element] {
        defer { self = FIFO() }
        return items[head...].compactMap(\.self)
    }
}

extension FIFO: Sendable where Element: Sendable {}

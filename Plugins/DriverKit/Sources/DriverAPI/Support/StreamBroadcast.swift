/// Sends the newest value of something to any number of streams: each reader first gets the current value, then
/// every newer one; a slow reader skips to the newest.
public final class NewestValueBroadcast<Value: Sendable>: Sendable {
    private struct State {
        var current: Value?
        var readers: [Int: AsyncStream<Value>.Continuation] = [:]
        var nextReader = 0
        var finished = false
    }
    private let state: Locked<State>

    /// A broadcast, with a first value if there is one already.
    public init(_ current: Value? = nil) { state = Locked(State(current: current)) }

    /// The newest value sent.
    public var current: Value? { state.with { $0.current } }

    /// Sends a value to all readers.
    public func send(_ value: Value) {
        let readers = state.with { state in
            state.current = value
            return Array(state.readers.values)
        }
        for reader in readers { reader.yield(value) }
    }

    /// A stream of its own for one more reader.
    public func stream() -> AsyncStream<Value> {
        let (stream, continuation) = AsyncStream.makeStream(of: Value.self, bufferingPolicy: .bufferingNewest(1))
        let (number, finished) = state.with { state in
            state.nextReader += 1
            if let current = state.current { continuation.yield(current) }
            if !state.finished { state.readers[state.nextReader] = continuation }
            return (state.nextReader, state.finished)
        }
        if finished { continuation.finish() }
        continuation.onTermination = { [weak self] _ in
            self?.state.with { _ = $0.readers.removeValue(forKey: number) }
        }
        return stream
    }

    /// Ends every stream.
    public func finish() {
        let readers = state.with { state in
            state.finished = true
            defer { state.readers = [:] }
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }
}

/// Sends guest events to any number of streams; a reader that falls behind by more than the buffer gets
/// ``GuestEvent/missed`` instead of what it lost.
public final class GuestEventBroadcast: Sendable {
    private struct State {
        var readers: [Int: AsyncStream<GuestEvent>.Continuation] = [:]
        var nextReader = 0
        var behind: Set<Int> = []
        var finished = false
    }
    private let state = Locked(State())
    private let bufferMax: Int

    /// A broadcast that keeps at most `bufferMax` events for each reader.
    public init(bufferMax: Int = 1024) { self.bufferMax = bufferMax }

    /// Sends an event to all readers.
    public func send(_ event: GuestEvent) {
        state.with { state in
            for (number, reader) in state.readers {
                // A reader that lost something is told so before it gets anything newer.
                if state.behind.contains(number) {
                    guard case .enqueued = reader.yield(.missed) else { continue }
                    state.behind.remove(number)
                }
                if case .dropped = reader.yield(event) { state.behind.insert(number) }
            }
        }
    }

    /// A stream of its own for one more reader.
    public func stream() -> AsyncStream<GuestEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: GuestEvent.self, bufferingPolicy: .bufferingOldest(bufferMax))
        let (number, finished) = state.with { state in
            state.nextReader += 1
            if !state.finished { state.readers[state.nextReader] = continuation }
            return (state.nextReader, state.finished)
        }
        if finished { continuation.finish() }
        continuation.onTermination = { [weak self] _ in
            self?.state.with { _ = $0.readers.removeValue(forKey: number) }
        }
        return stream
    }

    /// Ends every stream.
    public func finish() {
        let readers = state.with { state in
            state.finished = true
            defer { state.readers = [:] }
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }
}

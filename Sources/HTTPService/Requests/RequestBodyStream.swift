import NIOConcurrencyHelpers

/// A request's body on its way from the event loop to the responder's task.
///
/// The connection pushes what arrives and stops reading when told that enough is waiting; the reader's progress makes
/// it go on. Both sides are protected by one lock, because the reader runs on another thread.
final class RequestBodyStream: Sendable {
    /// What the reader asks of the connection.
    enum Demand: Sendable {
        /// The body is read for the first time: the time to say `100 Continue`.
        case started
        /// There is room again.
        case resume
    }

    private typealias Outcome = Result<ByteBuffer?, HTTPBodyError>

    private struct State {
        var chunks = CircularBuffer<ByteBuffer>()
        /// Bytes waiting, plus a little per chunk, so that many tiny chunks count too.
        var waitingBytes = 0
        var isPaused = false
        var wasStarted = false
        var end: Outcome?
        var reader: CheckedContinuation<Outcome, Never>?

        mutating func append(_ buffer: ByteBuffer) {
            chunks.append(buffer)
            waitingBytes += buffer.readableBytes + RequestBodyStream.chunkOverhead
            // Only the reader ends a pause: the connection has stopped reading and waits to be told.
            if waitingBytes >= RequestBodyStream.waitingBytesMax { isPaused = true }
        }

        /// What can be read now, and whether the connection is to read on.
        mutating func pop() -> (outcome: Outcome?, resumes: Bool) {
            guard let chunk = chunks.popFirst() else { return (end, false) }
            waitingBytes -= chunk.readableBytes + RequestBodyStream.chunkOverhead
            let resumes = isPaused && waitingBytes <= RequestBodyStream.waitingBytesMax / 2
            if resumes { isPaused = false }
            return (.success(chunk), resumes)
        }
    }

    private static let waitingBytesMax = 256 * 1024
    private static let chunkOverhead = 128

    private let state = NIOLockedValueBox(State())
    private let demand: @Sendable (Demand) -> Void

    init(demand: @escaping @Sendable (Demand) -> Void) { self.demand = demand }

    /// Takes what arrived. True: stop reading until `Demand.resume`.
    func push(_ buffer: ByteBuffer) -> Bool {
        let (reader, isFull) = state.withLockedValue { state -> (CheckedContinuation<Outcome, Never>?, Bool) in
            if state.end != nil { return (nil, false) }
            if let reader = state.reader.take() { return (reader, false) }
            state.append(buffer)
            return (nil, state.isPaused)
        }
        reader?.resume(returning: .success(buffer))
        return isFull
    }

    /// The body is complete.
    func finish() { end(with: .success(nil), dropsWaiting: false) }

    /// The rest of the body will not come, or is not wanted; what waits is dropped.
    func fail(_ error: HTTPBodyError) { end(with: .failure(error), dropsWaiting: true) }

    private func end(with outcome: Outcome, dropsWaiting: Bool) {
        let reader = state.withLockedValue { state -> CheckedContinuation<Outcome, Never>? in
            if state.end == nil {
                state.end = outcome
                if dropsWaiting { state.chunks.removeAll() }
            }
            return state.reader.take()
        }
        reader?.resume(returning: outcome)
    }

    /// The next buffer; nil at the end.
    func next(isolation: isolated (any Actor)?) async throws(HTTPBodyError) -> ByteBuffer? {
        if let outcome = takeWaiting() { return try outcome.get() }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation(isolation: isolation) { continuation in wait(continuation) }
        } onCancel: {
            state.withLockedValue { $0.reader.take() }?.resume(returning: .failure(.cancelled))
        }
        return try outcome.get()
    }

    private func takeWaiting() -> Outcome? {
        let (outcome, starts, resumes) = state.withLockedValue { state -> (Outcome?, Bool, Bool) in
            let starts = !state.wasStarted && state.end == nil
            state.wasStarted = true
            let (outcome, resumes) = state.pop()
            return (outcome, starts, resumes)
        }
        if starts { demand(.started) }
        if resumes { demand(.resume) }
        return outcome
    }

    private func wait(_ continuation: CheckedContinuation<Outcome, Never>) {
        let isCancelled = Task.isCancelled
        let (outcome, resumes) = state.withLockedValue { state -> (Outcome?, Bool) in
            let (outcome, resumes) = state.pop()
            if let outcome { return (outcome, resumes) }
            // Cancelled before, or a second reader: neither may wait.
            if isCancelled || state.reader != nil { return (.failure(.cancelled), false) }
            state.reader = continuation
            return (nil, false)
        }
        if resumes { demand(.resume) }
        if let outcome { continuation.resume(returning: outcome) }
    }
}

/// One request and its answer on a connection. The connection's event loop owns it.
struct Exchange {
    /// How far the answer is.
    enum Answer: Equatable {
        case pending
        /// The head is sent; that many bytes of the body followed.
        case streaming(ResponseHead.Framing, written: Int)
        case complete
    }

    /// Counts the exchanges of the connection, so that late messages are recognized.
    var number: UInt64 = 0
    var startedAt = NIODeadline.uptimeNanoseconds(0)
    /// Nil when the request was refused before it was one.
    var request: HTTPRequest?
    /// What the head said; a refused head is treated as the last request of its connection.
    var framing: RequestFraming?
    /// Whether the connection goes on afterwards. Decided for good when the answer's head is written.
    var keepsAlive = false
    var answer = Answer.pending
    var status = 0
    var bodyBytes = 0
    var task: Task<Void, Never>?

    /// The request's end was received.
    var inboundEnded = false
    var body: RequestBodyStream?
    /// The reader of the body is behind: nothing more is read from the connection.
    var isBodyPaused = false
    /// The client waits for `100 Continue`.
    var awaitsContinue = false
    /// Bytes of the body that have not come yet; nil when unknown.
    var inboundRemaining: Int?

    var isHead: Bool { request?.method == .HEAD }
    var isHTTP10: Bool { framing?.isHTTP10 ?? false }
    var hasBody: Bool { framing.map { $0.body != .none } ?? false }

    /// Whether the rest of the request's body is too much to be skipped.
    func leavesTooMuchUnread(max: Int) -> Bool {
        guard hasBody, !inboundEnded else { return false }
        guard !awaitsContinue, let inboundRemaining else { return true }
        return inboundRemaining > max
    }
}

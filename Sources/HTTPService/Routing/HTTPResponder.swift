/// Something that answers requests.
///
/// Errors are answers: a responder has no way to throw, it says what the client shall see.
package protocol HTTPResponder: Sendable {
    /// Answers the request, in a task of its own that is cancelled when the client goes away.
    ///
    /// The body need not be read. A client that is still sending then has its connection closed after the answer,
    /// except where the rest is small.
    func respond(to request: HTTPRequest) async -> HTTPResponse

    /// Answers at once if that is possible without waiting for anything (a document that is kept in memory), else nil.
    ///
    /// Called on the event loop for requests without a body, before `respond(to:)`, which follows only after nil.
    /// Must return within microseconds: every other connection of the loop waits.
    func respondAtOnce(to request: HTTPRequest) -> HTTPResponse?
}

extension HTTPResponder {
    package func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? { nil }
}

/// A responder made of a closure.
package struct ClosureResponder: HTTPResponder {
    private let answer: @Sendable (HTTPRequest) async -> HTTPResponse

    /// A responder that calls the closure for every request.
    package init(_ answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse) { self.answer = answer }

    package func respond(to request: HTTPRequest) async -> HTTPResponse { await answer(request) }
}

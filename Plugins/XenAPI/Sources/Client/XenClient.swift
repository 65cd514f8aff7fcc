import DriverAPI

/// Calls of XenAPI over the host's HTTP: one session for all, logged in when it is needed and again when the server has
/// forgotten it, on whichever host of the pool is the master.
final class XenClient: Sendable {
    /// A session and where it holds.
    struct Session: Hashable, Sendable {
        let reference: String
        let endpoint: XenEndpoint
    }
    private enum Encoding { case json, xml }
    private struct State {
        var session: Session?
        var encoding: Encoding?
        var logins = 0
        var requests = 0
    }

    let options: XenAPIOptions
    let host: any DriverHost
    /// Answers of long lists are large: a record of a machine is about three kilobytes.
    private static let answerBytesMax = 128 << 20
    private static let jsonRPCMajor = 2
    private let state = Locked(State())
    private let gate: Turnstile<Int>
    private let loginGate = Turnstile<Int>(width: 1)

    init(options: XenAPIOptions, host: any DriverHost) {
        (self.options, self.host) = (options, host)
        gate = Turnstile(width: options.connectionsMax)
    }

    /// How often a session was made.
    var logins: Int { state.with { $0.logins } }
    /// The session that is used now, if there is one.
    var knownSession: Session? { state.with { $0.session } }
    /// `json` or `xml` once a server has answered.
    var encodingName: String? { state.with { $0.encoding.map { $0 == .json ? "json" : "xml" } } }

    /// The session, made where there is none.
    func session() async throws(DriverError) -> Session {
        if let session = knownSession { return session }
        return try await loginGate.pass(0) { () async throws(DriverError) in
            if let session = self.knownSession { return session }
            let session = try await self.logIn()
            self.state.with { state in
                state.session = session
                state.logins += 1
            }
            return session
        }
    }

    private func forget(_ session: Session) {
        state.with { if $0.session == session { $0.session = nil } }
    }

    private func logIn() async throws(DriverError) -> Session {
        var endpoint = options.endpoint
        // A slave names the master, which may have changed meanwhile; more than a few hops are a circle.
        for _ in 0..<4 {
            let result = try await post(
                endpoint, "session.login_with_password",
                [.text(options.user), .text(options.password), "1.0", "kilonova"], timeout: options.loginTimeout)
            switch result {
            case .success(let value):
                guard let reference = value.reference else {
                    throw .failed("XenAPI at \(endpoint) answered a login without a session")
                }
                return Session(reference: reference, endpoint: endpoint)
            case .failure(let failure):
                guard failure.code == "HOST_IS_SLAVE", let master = failure.parameters.first, !master.isEmpty else {
                    throw failure.driverError("log in at \(endpoint)")
                }
                endpoint = endpoint.at(master)
            }
        }
        throw .unreachable("the hosts of the pool at \(options.endpoint) name one another as master in a circle")
    }

    /// Ends the session.
    func logOut() async {
        guard let session = knownSession else { return }
        forget(session)
        _ = try? await post(session.endpoint, "session.logout", [.text(session.reference)], timeout: .seconds(5))
    }

    /// One call; what the server refuses is an answer.
    ///
    /// - Parameter isWaiting: whether the call does nothing but wait; such calls do not count among those at a time.
    /// - Throws: ``DriverError/unreachable(_:)``, ``DriverError/timedOut(_:)``, ``DriverError/cancelled``,
    ///   ``DriverError/badConfiguration(_:)`` when the login is refused.
    func ask(
        _ method: String, _ arguments: [XenValue], timeout: Duration? = nil, isWaiting: Bool = false
    ) async throws(DriverError) -> XenResult {
        if isWaiting { return try await askNow(method, arguments, timeout: timeout) }
        return try await gate.pass(0) { () async throws(DriverError) in
            try await self.askNow(method, arguments, timeout: timeout)
        }
    }

    private func askNow(_ method: String, _ arguments: [XenValue], timeout: Duration?) async throws(DriverError)
        -> XenResult
    {
        var last = XenFailure("SESSION_INVALID")
        for _ in 0..<3 {
            let session = try await session()
            let result: XenResult
            do throws(DriverError) {
                result = try await post(
                    session.endpoint, method, [.text(session.reference)] + arguments,
                    timeout: timeout ?? options.callTimeout)
            } catch {
                // The master may be another one by now: the next call asks again from the start.
                if case .unreachable = error { forget(session) }
                throw error
            }
            guard case .failure(let failure) = result else { return result }
            switch failure.code {
            case "SESSION_INVALID", "HOST_IS_SLAVE", "SESSION_NOT_REGISTERED":
                forget(session)
                last = failure
            default: return result
            }
        }
        return .failure(last)
    }

    /// One call whose refusal is an error.
    ///
    /// - Parameter doing: what is attempted, for the error's sentence: `start the guest …`.
    func call(_ method: String, _ arguments: [XenValue], _ doing: String? = nil) async throws(DriverError)
        -> XenValue
    {
        switch try await ask(method, arguments) {
        case .success(let value): return value
        case .failure(let failure): throw failure.driverError(doing ?? "carry out \(method)")
        }
    }

    /// One call whose refusal with one of `codes` means that there is nothing to do.
    @discardableResult
    func call(_ method: String, _ arguments: [XenValue], accepting codes: Set<String>, _ doing: String? = nil)
        async throws(DriverError) -> XenValue?
    {
        switch try await ask(method, arguments) {
        case .success(let value): return value
        case .failure(let failure):
            if codes.contains(failure.code) { return nil }
            throw failure.driverError(doing ?? "carry out \(method)")
        }
    }

    // MARK: - The wire

    private func post(_ endpoint: XenEndpoint, _ method: String, _ arguments: [XenValue], timeout: Duration)
        async throws(DriverError) -> XenResult
    {
        let (encoding, number) = state.with { state in
            state.requests += 1
            return (state.encoding, state.requests)
        }
        if encoding != .xml {
            if let result = try await postJSON(endpoint, method, arguments, number, timeout) {
                if encoding == nil { state.with { $0.encoding = .json } }
                return result
            }
            if encoding == .json { throw .unreachable("\(endpoint) does not speak JSON-RPC any more") }
        }
        let result = try await postXML(endpoint, method, arguments, timeout)
        if encoding == nil { state.with { $0.encoding = .xml } }
        return result
    }

    private func exchange(_ url: String, _ kind: String, _ body: [UInt8], _ timeout: Duration)
        async throws(DriverError) -> DriverHTTPAnswer
    {
        try await host.exchange(
            DriverHTTPRequest(
                "POST", url, headers: [.init("Content-Type", kind), .init("User-Agent", "kilonova")],
                body: .bytes(body), sink: .memory(bytesMax: Self.answerBytesMax), trust: options.trust,
                timeout: timeout))
    }

    /// `nil` when the server has no JSON-RPC.
    private func postJSON(
        _ endpoint: XenEndpoint, _ method: String, _ arguments: [XenValue], _ number: Int, _ timeout: Duration
    ) async throws(DriverError) -> XenResult? {
        let body = JSONText.write([
            "jsonrpc": "\(Self.jsonRPCMajor).0", "id": .integer(Int64(number)), "method": .text(method),
            "params": .list(arguments),
        ])
        let answer = try await exchange("\(endpoint)/jsonrpc", "application/json", body, timeout)
        if [400, 404, 405, 501].contains(answer.status), state.with({ $0.encoding }) == nil { return nil }
        guard answer.status == 200 else {
            throw .unreachable("\(endpoint) answers \(method) with status \(answer.status)")
        }
        let value: XenValue
        do throws(WireTrouble) {
            value = try JSONText.read(answer.body)
        } catch {
            throw .failed("\(endpoint) answers \(method) with nonsense: \(error.message)")
        }
        guard value["id"] == .integer(Int64(number)) else {
            throw .failed("\(endpoint) answers \(method) with the answer to another call")
        }
        if case .map(let failure) = value["error"] {
            let parameters = failure["data"]?.texts ?? []
            return .failure(XenFailure(failure["message"]?.text ?? "INTERNAL_ERROR", parameters))
        }
        guard case .map(let members) = value, let result = members["result"] else {
            throw .failed("\(endpoint) answers \(method) with neither a result nor an error")
        }
        return .success(result)
    }

    private func postXML(_ endpoint: XenEndpoint, _ method: String, _ arguments: [XenValue], _ timeout: Duration)
        async throws(DriverError) -> XenResult
    {
        let answer = try await exchange("\(endpoint)/", "text/xml", XMLRPC.call(method, arguments), timeout)
        guard answer.status == 200 else {
            throw .unreachable("\(endpoint) answers \(method) with status \(answer.status)")
        }
        let value: XenValue
        do throws(WireTrouble) {
            value = try XMLRPC.answer(answer.body)
        } catch {
            throw .failed("\(endpoint) answers \(method) with nonsense: \(error.message)")
        }
        switch value["Status"].text {
        case "Success": return .success(value["Value"])
        case "Failure": return .failure(XenFailure(description: value["ErrorDescription"].texts))
        default: throw .failed("\(endpoint) answers \(method) with neither success nor failure")
        }
    }
}

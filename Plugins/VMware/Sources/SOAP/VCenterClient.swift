import DriverAPI

/// Calls methods of a vCenter over SOAP, in one session that is renewed when the server has forgotten it.
///
/// A call that the server refused because of the session is repeated once in a new one. Calls that only read are
/// repeated while the connection breaks; others are not, because nobody knows whether they were carried out.
final class VCenterClient: Sendable {
    private struct Session: Sendable {
        var cookie: String?
        /// Grows with each login: tells a caller whether somebody else has logged in since.
        var generation = 0
    }

    let endpoint: VCenterEndpoint
    let content: ServiceContent
    private let host: any DriverHost
    private let session = Locked(Session())
    private let loginLock = KeyedLocks<Int>()
    private let transferSlots = KeyedLocks<Int>()
    private let transfers = Locked(0)

    private static let answerBytesMax = 64 << 20
    /// Whole files under way at once. The host has few connections to one peer; calls must not wait behind disks.
    private static let transfersMax = 3
    private static let retryPauseMax: Duration = .milliseconds(500)

    private init(_ endpoint: VCenterEndpoint, _ content: ServiceContent, _ host: any DriverHost) {
        (self.endpoint, self.content, self.host) = (endpoint, content, host)
    }

    /// Asks the server what it is and logs in.
    static func connect(_ endpoint: VCenterEndpoint, host: any DriverHost) async throws(VimFailure) -> VCenterClient {
        let instance = ManagedReference("ServiceInstance", "ServiceInstance")
        let (answer, _) = try await Self.exchange(
            "RetrieveServiceContent", instance, [], endpoint, host, cookie: nil, timeout: .seconds(30))
        guard let element = answer["returnval"] else {
            throw .driver(.failed("vCenter \(endpoint.authority) gives no service content"))
        }
        let content = try ServiceContent(element)
        try content.check(endpoint.authority)
        let client = VCenterClient(endpoint, content, host)
        _ = try await client.login(after: 0)
        return client
    }

    /// Calls a method and returns the element that holds its answer.
    ///
    /// - Parameters:
    ///   - isRead: whether the call changes nothing, so that it may be repeated.
    ///   - timeout: for each exchange; no further one begins when so long has passed.
    func call(
        _ method: String, _ this: ManagedReference, _ arguments: [XMLElement] = [], isRead: Bool = false,
        timeout: Duration = .seconds(30)
    ) async throws(VimFailure) -> XMLElement {
        var retries = 0
        var hasRenewed = false
        let begun = ContinuousClock.now
        while true {
            let (cookie, generation) = try await login()
            do throws(VimFailure) {
                return try await Self.exchange(
                    method, this, arguments, endpoint, host, cookie: cookie, timeout: timeout
                ).answer
            } catch {
                if error.kind == .notAuthenticated, !hasRenewed {
                    hasRenewed = true
                    host.log(.info, "session renewed", ["server": endpoint.authority, "method": method])
                    _ = try await login(after: generation)
                    continue
                }
                guard isRead, error.isUnreachable, retries < endpoint.retriesMax,
                    ContinuousClock.now - begun < timeout
                else { throw error }
                let pause = min(Duration.milliseconds(50) * (1 << min(retries, 6)), Self.retryPauseMax)
                retries += 1
                do { try await Task.sleep(for: pause) } catch { throw .driver(.cancelled) }
            }
        }
    }

    /// Carries out an HTTP request within the session, for datastore files and leases. A session that has ended is
    /// renewed once.
    func transfer(_ request: DriverHTTPRequest) async throws(VimFailure) -> DriverHTTPAnswer {
        var isLong = false
        if case .file = request.body { isLong = true }
        if case .file = request.sink { isLong = true }
        guard isLong else { return try await send(request) }
        let slot = transfers.with { count in
            count += 1
            return count % Self.transfersMax
        }
        return try await transferSlots.alone(slot) { () async throws(VimFailure) in
            try await self.send(request)
        }
    }

    private func send(_ request: DriverHTTPRequest) async throws(VimFailure) -> DriverHTTPAnswer {
        var hasRenewed = false
        while true {
            let (cookie, generation) = try await login()
            var request = request
            // A lease's address may be that of an ESX host, which has no business with our session.
            if request.url.hasPrefix(endpoint.base + "/") { request.headers.append(.init("Cookie", cookie)) }
            request.trust = endpoint.trust
            let answer = try await Self.send(request, endpoint, host)
            guard answer.status == 401 || answer.status == 403, !hasRenewed else { return answer }
            hasRenewed = true
            _ = try await login(after: generation)
        }
    }

    /// Ends the session. Failures do not matter: the server ends idle sessions by itself.
    func logOut() async {
        guard let cookie = session.with({ $0.cookie }) else { return }
        _ = try? await Self.exchange(
            "Logout", content.sessionManager, [], endpoint, host, cookie: cookie, timeout: .seconds(3))
        session.with { $0.cookie = nil }
    }

    /// The session's cookie, from a login if there is none.
    private func login() async throws(VimFailure) -> (cookie: String, generation: Int) {
        let (cookie, generation) = session.with { ($0.cookie, $0.generation) }
        if let cookie { return (cookie, generation) }
        return try await login(after: generation)
    }

    /// Logs in, unless somebody else has since `generation`.
    private func login(after generation: Int) async throws(VimFailure) -> (cookie: String, generation: Int) {
        try await loginLock.alone(0) { () async throws(VimFailure) in
            let now = self.session.with { ($0.cookie, $0.generation) }
            if let cookie = now.0, now.1 > generation { return (cookie, now.1) }
            let cookie: String?
            do throws(VimFailure) {
                cookie = try await Self.exchange(
                    "Login", self.content.sessionManager,
                    [XMLElement("userName", self.endpoint.user), XMLElement("password", self.endpoint.password)],
                    self.endpoint, self.host, cookie: nil, timeout: .seconds(30)
                ).cookie
            } catch {
                guard error.kind == .invalidLogin else { throw error }
                throw .driver(
                    .badConfiguration(
                        "[vmware] host_username, host_password: vCenter \(self.endpoint.authority) refuses the login "
                            + "of \(self.endpoint.user): \(error.driverError.message)"))
            }
            guard let cookie else {
                throw .driver(.failed("vCenter \(self.endpoint.authority) gives no session cookie"))
            }
            return self.session.with { session in
                session.cookie = cookie
                session.generation += 1
                return (cookie, session.generation)
            }
        }
    }
}

extension VCenterClient {
    private static func envelope(_ method: String, _ this: ManagedReference, _ arguments: [XMLElement]) -> String {
        let call = XMLElement(method, ["xmlns": "urn:vim25"], [this.element("_this")] + arguments)
        return #"<?xml version="1.0" encoding="UTF-8"?>"#
            + #"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" "#
            + #"xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#
            + "<soapenv:Body>\(call.serialized)</soapenv:Body></soapenv:Envelope>"
    }

    private static func exchange(
        _ method: String, _ this: ManagedReference, _ arguments: [XMLElement], _ endpoint: VCenterEndpoint,
        _ host: any DriverHost, cookie: String?, timeout: Duration
    ) async throws(VimFailure) -> (answer: XMLElement, cookie: String?) {
        let what = "\(method) of \(this)"
        var request = DriverHTTPRequest(
            "POST", endpoint.base + "/sdk",
            headers: [
                .init("Content-Type", "text/xml; charset=utf-8"), .init("SOAPAction", "\"urn:vim25/6.5\""),
            ], body: .bytes(Array(envelope(method, this, arguments).utf8)),
            sink: .memory(bytesMax: answerBytesMax), trust: endpoint.trust, timeout: timeout)
        if let cookie { request.headers.append(.init("Cookie", cookie)) }
        let answer = try await send(request, endpoint, host)
        guard answer.status == 200 || answer.status == 500 else {
            let text = "vCenter \(endpoint.authority) answers \(method) with HTTP status \(answer.status)"
            throw .driver([502, 503, 504].contains(answer.status) ? .unreachable(text) : .failed(text))
        }
        return (try decode(answer.body, what, endpoint), sessionCookie(answer))
    }

    /// The answer's element, or the fault it carries.
    static func decode(_ body: [UInt8], _ what: String, _ endpoint: VCenterEndpoint) throws(VimFailure) -> XMLElement {
        let document: XMLElement
        do throws(XMLFailure) {
            document = try XMLElement(parsing: body)
        } catch {
            throw .driver(
                .failed("vCenter \(endpoint.authority) answers \(what) with what is no SOAP: \(error.message)"))
        }
        guard document.name == "Envelope", let content = document["Body"]?.children.first else {
            throw .driver(.failed("vCenter \(endpoint.authority) answers \(what) with what is no SOAP: no body"))
        }
        if content.name == "Fault" { throw .fault(VimFault(soap: content), during: what) }
        // Some servers answer reads without a session by telling, for each property, that it cannot be read.
        for object in content["returnval"]?.all("objects") ?? [] {
            for missing in object.all("missingSet") where missing.at("fault/fault")?.type == "NotAuthenticated" {
                throw .fault(VimFault(type: "NotAuthenticated", message: ""), during: what)
            }
        }
        return content
    }

    /// An exchange whose errors say what an operator can do.
    private static func send(
        _ request: DriverHTTPRequest, _ endpoint: VCenterEndpoint, _ host: any DriverHost
    ) async throws(VimFailure) -> DriverHTTPAnswer {
        do throws(DriverError) {
            return try await host.exchange(request)
        } catch {
            switch error {
            case .refused(let text):
                throw .driver(
                    .badConfiguration(
                        "vCenter \(endpoint.authority) cannot be trusted (\(text)); set [vmware] ca_file to the PEM "
                            + "file of the authority that signed its certificate"))
            case .unreachable(let text):
                throw .driver(.unreachable("vCenter \(endpoint.authority) cannot be reached: \(text)"))
            default: throw .driver(error)
            }
        }
    }

    /// `vmware_soap_session=…` of an answer that begins a session.
    private static func sessionCookie(_ answer: DriverHTTPAnswer) -> String? {
        for header in answer.headers where header.name.lowercased() == "set-cookie" {
            let pair = String(header.value.prefix { $0 != ";" })
            if pair.hasPrefix("vmware_soap_session=") { return pair }
        }
        return nil
    }
}

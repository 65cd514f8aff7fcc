import Glibc
import HTTPService
import Testing

struct HTTPServerTests {
    private func server(
        _ listeners: [Listener], _ responder: any HTTPResponder = EchoAtOnce(),
        options: HTTPServerOptions = HTTPServerOptions()
    ) -> HTTPServer {
        HTTPServer(listeners: listeners, responder: responder, options: options, logger: quietLogger)
    }

    @Test func requestsKnowTheirListener() async throws {
        let responder = ClosureResponder { request in
            .text(200, "\(request.listenerTag) \(request.remoteAddress.host)")
        }
        let server = server(
            [.tcp(host: "127.0.0.1", port: 0, tag: "a"), .tcp(host: "127.0.0.1", port: 0, tag: "b")], responder)
        let bound = try await server.start()
        #expect(bound.map(\.tag) == ["a", "b"])
        #expect(bound.allSatisfy { $0.port > 0 && $0.url == "http://127.0.0.1:\($0.port)" })
        for listener in bound {
            let client = try await RawClient(port: listener.port)
            try await client.send(get("/"))
            #expect(try await client.response().text == "\(listener.tag) 127.0.0.1")
        }
        await server.shutdown(grace: .zero)
    }

    @Test func aListenerIsAddedAndRemovedWhileOthersServe() async throws {
        let server = server([.tcp(host: "127.0.0.1", port: 0, tag: "a")])
        let first = try await server.start()[0]
        let second = try await server.add(.tcp(host: "127.0.0.1", port: 0, tag: "b"))
        await #expect(throws: HTTPServerError.duplicateTag("b")) {
            try await server.add(.tcp(host: "127.0.0.1", port: 0, tag: "b"))
        }
        let idle = try await RawClient(port: second.port)
        try await idle.send(get("/x"))
        #expect(try await idle.response().text == "/x")
        await server.remove(tag: "b")
        #expect(await idle.isClosedByServer())
        await #expect(throws: (any Error).self) { try await RawClient(port: second.port) }
        let other = try await RawClient(port: first.port)
        try await other.send(get("/y"))
        #expect(try await other.response().text == "/y")
        _ = try await server.add(.tcp(host: "127.0.0.1", port: 0, tag: "b"))
        await server.shutdown(grace: .zero)
        await #expect(throws: HTTPServerError.shutDown) {
            try await server.add(.tcp(host: "127.0.0.1", port: 0, tag: "c"))
        }
    }

    @Test func aPortInUseIsToldInOneSentence() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let free = Listener.tcp(host: "127.0.0.1", port: 0, tag: "free")
            let other = server([free, .tcp(host: "127.0.0.1", port: port)])
            let error = await #expect(throws: HTTPServerError.self) { try await other.start() }
            #expect(error == .portInUse(host: "127.0.0.1", port: port))
            #expect(error?.description.contains("127.0.0.1:\(port): the port is in use; stop the program") == true)
            await other.shutdown(grace: .zero)
        }
    }

    @Test func anAddressOfAnotherMachineIsRefused() async throws {
        await #expect(throws: HTTPServerError.noSuchAddress(host: "192.0.2.1", port: 0)) {
            try await server([.tcp(host: "192.0.2.1", port: 0)]).start()
        }
        await #expect(throws: HTTPServerError.noSuchAddress(host: "no.such.host.invalid", port: 1)) {
            try await server([.tcp(host: "no.such.host.invalid", port: 1)]).start()
        }
    }

    @Test func aListeningSocketIsAdopted() async throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(0)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(bound == 0)
        let server = server([])
        await #expect(throws: HTTPServerError.notListening(descriptor: descriptor)) {
            try await server.add(.socket(descriptor: descriptor, tag: "ns"))
        }
        #expect(listen(descriptor, 16) == 0)
        let listener = try await server.add(.socket(descriptor: descriptor, tag: "ns"))
        let client = try await RawClient(port: listener.port)
        try await client.send(get("/adopted"))
        #expect(try await client.response().text == "/adopted")
        await server.remove(tag: "ns")
        await #expect(throws: (any Error).self, "the server closed it") { try await RawClient(port: listener.port) }
        await server.shutdown(grace: .zero)
    }

    @Test func aClientThatGoesAwayCancelsItsRequest() async throws {
        let started = Shared(false)
        let cancelled = Shared(false)
        let responder = ClosureResponder { _ in
            started.change { $0 = true }
            do { try await Task.sleep(for: .seconds(60)) } catch { cancelled.change { $0 = true } }
            return .empty(204)
        }
        let log = Shared<[AccessRecord]>([])
        try await withServer(responder, accessLog: { record in log.change { $0.append(record) } }) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/gone"))
            await eventually("the request runs") { started.value }
            await client.close()
            await eventually("the request is cancelled") { cancelled.value }
            await eventually("the request is logged") { log.value.count == 1 }
        }
    }

    @Test func runningRequestsFinishWithinTheGrace() async throws {
        let started = Shared(0)
        let gate = Shared(false)
        let responder = ClosureResponder { request in
            started.change { $0 += 1 }
            while !gate.value, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(2)) }
            return .text(200, request.path)
        }
        try await withServer(responder) { port, server in
            let idle = try await RawClient(port: port)
            let busy = try await RawClient(port: port)
            try await busy.send(get("/busy"))
            await eventually("the request runs") { started.value == 1 }
            async let shutdown: Void = server.shutdown(grace: .seconds(20))
            #expect(await idle.isClosedByServer())
            await #expect(throws: (any Error).self) { try await RawClient(port: port) }
            gate.change { $0 = true }
            let response = try await busy.response()
            #expect(response.text == "/busy")
            #expect(response["connection"] == "close")
            #expect(await busy.isClosedByServer())
            await shutdown
        }
    }

    @Test func requestsThatOutlastTheGraceAreCancelled() async throws {
        let started = Shared(false)
        let ended = Shared(false)
        let responder = ClosureResponder { _ in
            started.change { $0 = true }
            try? await Task.sleep(for: .seconds(60))
            ended.change { $0 = true }
            return .empty(204)
        }
        try await withServer(responder) { port, server in
            let client = try await RawClient(port: port)
            try await client.send(get("/"))
            await eventually("the request runs") { started.value }
            let clock = ContinuousClock()
            let took = await clock.measure { await server.shutdown(grace: .milliseconds(50)) }
            #expect(ended.value)
            #expect(took < .seconds(10))
            #expect(await client.isClosedByServer())
        }
    }

    @Test func anIdleConnectionIsClosed() async throws {
        var options = HTTPServerOptions()
        options.idleTimeout = .milliseconds(100)
        try await withServer(EchoAtOnce(), options: options) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/"))
            #expect(try await client.response().status == 200)
            #expect(await client.isClosedByServer())
        }
    }

    @Test func aConnectionThatSendsNothingIsClosed() async throws {
        var options = HTTPServerOptions()
        options.headerTimeout = .milliseconds(100)
        try await withServer(EchoAtOnce(), options: options) { port, _ in
            let silent = try await RawClient(port: port)
            #expect(await silent.isClosedByServer())
        }
    }

    @Test func aHeadThatDoesNotCompleteTimesOut() async throws {
        var options = HTTPServerOptions()
        options.headerTimeout = .seconds(2)
        try await withServer(EchoAtOnce(), options: options) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/"))
            #expect(try await client.response().text == "/")
            try await client.send("GET /b HTT")
            let response = try await client.response()
            #expect(response.status == 408)
            #expect(response["connection"] == "close")
            #expect(await client.isClosedByServer())
        }
    }

    @Test func connectionsBeyondTheLimitAreTurnedAway() async throws {
        var options = HTTPServerOptions()
        options.connectionsMax = 2
        try await withServer(EchoAtOnce(), options: options) { port, _ in
            var clients: [RawClient] = []
            for _ in 0..<2 {
                let client = try await RawClient(port: port)
                try await client.send(get("/"))
                #expect(try await client.response().status == 200)
                clients.append(client)
            }
            let third = try await RawClient(port: port)
            #expect(try await third.response().status == 503)
            #expect(await third.isClosedByServer())
            await third.close()
            await clients[0].close()
            await eventually("there is room again") {
                guard let client = try? await RawClient(port: port) else { return false }
                try? await client.send(get("/"))
                return (try? await client.response().status) == 200
            }
            try await clients[1].send(get("/still"))
            #expect(try await clients[1].response().text == "/still")
        }
    }

    @Test func theAccessLogTellsWhatWasSent() async throws {
        let log = Shared<[AccessRecord]>([])
        let ids = Shared<[String]>([])
        let responder = ClosureResponder { request in
            ids.change { $0.append(request.id.description) }
            return .text(201, "four")
        }
        try await withServer(responder, accessLog: { record in log.change { $0.append(record) } }) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send("DELETE /a%20b?secret=1 HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(try await client.response().status == 201)
            try await client.send("nonsense\r\n\r\n")
            #expect(try await client.response().status == 400)
            await eventually("both are logged") { log.value.count == 2 }
            let record = log.value[0]
            #expect(record.method == "DELETE")
            #expect(record.path == "/a%20b")
            #expect(record.status == 201)
            #expect(record.bodyBytes == 4)
            #expect(record.listenerTag == "main")
            #expect(record.remoteAddress.host == "127.0.0.1")
            #expect(record.duration > .zero)
            #expect([record.id.description] == ids.value)
            #expect(log.value[1].status == 400)
        }
    }

    @Test func linksFollowTheProxyWhereItIsTrusted() async throws {
        var options = HTTPServerOptions()
        options.trustedProxies = try TrustedProxies(["127.0.0.0/8"])
        let api = ClosureResponder { request in .text(200, request.absoluteURL("/v2.1/")) }
        let mounted = MountedResponder(mounts: ["/compute": api], fallback: api)
        for (options, expected) in [
            (options, "https://pub.example/compute/v2.1/"), (HTTPServerOptions(), "http://t/compute/v2.1/"),
        ] {
            try await withServer(mounted, options: options) { port, _ in
                let client = try await RawClient(port: port)
                let fields = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: pub.example\r\n"
                try await client.send(get("/compute/x", fields))
                #expect(try await client.response().text == expected)
            }
        }
    }
}

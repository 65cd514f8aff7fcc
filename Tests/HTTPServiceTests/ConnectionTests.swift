import HTTPService
import Testing

struct ConnectionTests {
    @Test func aConnectionServesManyRequests() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            for path in ["/a", "/slow/b", "/c"] {
                try await client.send(get(path))
                let response = try await client.response()
                #expect(response.status == 200)
                #expect(response.text == path)
                #expect(response["connection"] == nil)
                #expect(response["date"]?.hasSuffix(" GMT") == true)
                #expect(response["content-length"] == String(path.utf8.count))
            }
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            let paths = (0..<200).map { $0 % 7 == 3 ? "/slow/\($0)" : "/\($0)" }
            try await client.send(paths.map { get($0) }.joined())
            for path in paths { #expect(try await client.response().text == path) }
        }
    }

    @Test func pipelinedBodiesStayWithTheirRequests() async throws {
        try await withClient(echoBody) { client in
            let post = "POST / HTTP/1.1\r\nHost: t\r\n"
            try await client.send(
                post + "Content-Length: 3\r\n\r\nabc" + get("/") + post
                    + "Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n" + post
                    + "Content-Length: 0\r\n\r\n")
            for expected in ["abc", "", "def", ""] { #expect(try await client.response().text == expected) }
        }
    }

    @Test func aFloodOfPipelinedRequestsIsAnsweredWhole() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            let count = 20_000
            async let sending: Void = client.send(String(repeating: get("/x"), count: count))
            for _ in 0..<count { #expect(try await client.response().text == "/x") }
            try await sending
        }
    }

    @Test func headHasTheLengthButNoBody() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            for path in ["/abc", "/slow/abc"] {
                try await client.send("HEAD \(path) HTTP/1.1\r\nHost: t\r\n\r\n" + get("/next"))
                let head = try await client.response(hasBody: false)
                #expect(head["content-length"] == String(path.utf8.count))
                #expect(try await client.response().text == "/next")
            }
        }
    }

    @Test func noContentHasNeitherLengthNorBody() async throws {
        try await withClient({ _ in HTTPResponse(status: 204, body: .bytes([1])) }) { client in
            try await client.send(get("/") + get("/"))
            for _ in 0..<2 {
                let response = try await client.response()
                #expect(response.status == 204)
                #expect(response["content-length"] == nil)
            }
        }
    }

    @Test func closeIsHonouredFromEitherSide() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/a", "Connection: close\r\n"))
            #expect(try await client.response()["connection"] == "close")
            #expect(await client.isClosedByServer())
        }
        let closing = HTTPResponse(status: 200, headers: ["Connection": "close"], body: .bytes([65]))
        try await withClient({ _ in closing }) { client in
            try await client.send(get("/"))
            let response = try await client.response()
            #expect(response.headers.filter { $0.name == "connection" }.map(\.value) == ["close"])
            #expect(await client.isClosedByServer())
        }
    }

    @Test func http10IsClosedUnlessKeptAlive() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try await client.response()["connection"] == "keep-alive")
            try await client.send("GET /b HTTP/1.0\r\n\r\n")
            #expect(try await client.response().text == "/b")
            #expect(await client.isClosedByServer())
        }
    }

    @Test func anOfferedUpgradeIsDeclinedByAnsweringAndClosing() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/a", "Connection: Upgrade\r\nUpgrade: h2c\r\n"))
            let response = try await client.response()
            #expect(response.text == "/a")
            #expect(response["connection"] == "close")
            #expect(await client.isClosedByServer())
        }
    }

    @Test func aClientThatStopsSendingStillGetsItsAnswers() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/a") + get("/slow/b") + get("/c"))
            await client.closeSending()
            for path in ["/a", "/slow/b", "/c"] { #expect(try await client.response().text == path) }
            #expect(await client.isClosedByServer())
        }
    }

    @Test func aLargeAnswerReachesAClientThatStopsSending() async throws {
        let large = HTTPResponse(status: 200, body: .bytes([UInt8](repeating: 1, count: 20_000_000)))
        try await withClient({ _ in large }) { client in
            try await client.send(get("/"))
            await client.closeSending()
            _ = try await client.take(through: "\r\n\r\n")
            try await client.skip(20_000_000)
            #expect(await client.isClosedByServer())
        }
    }

    @Test func aHeadMayComeInSmallPieces() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            for byte in Array(get("/pieces").utf8) { try await client.send([byte]) }
            #expect(try await client.response().text == "/pieces")
        }
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "GET\r\n\r\n", "GET /a HTTP/1.1\r\nHost t\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost : t\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n", "GET /a/../b HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: t\r\n\r\n", "GET a HTTP/1.1\r\nHost: t\r\n\r\n",
        "G\0T / HTTP/1.1\r\nHost: t\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: t\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\n folded: x\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ])
    func aMalformedRequestIsAnswered400AndClosed(bytes: String) async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(bytes + get("/smuggled"))
            let response = try await client.response()
            #expect(response.status == 400)
            #expect(response["connection"] == "close")
            #expect(response["content-type"] == "application/json")
            #expect(response.text.hasPrefix(#"{"error":{"code":400,"title":"Bad Request","message":""#))
            #expect(try await client.rest().isEmpty)
        }
    }

    @Test func aMalformedRequestBehindOthersDoesNotHarmThem() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/a") + get("/slow/b") + "nonsense\r\n\r\n")
            #expect(try await client.response().text == "/a")
            #expect(try await client.response().text == "/slow/b")
            #expect(try await client.response().status == 400)
            #expect(await client.isClosedByServer())
        }
    }

    @Test(arguments: [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5, 5\r\n\r\nhello", "Content-Length: -5\r\n\r\nhello", "Content-Length: +5\r\n\r\nhello",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
    ])
    func aRequestThatCouldBeReadInTwoWaysIsRefused(rest: String) async throws {
        let seen = Shared<[String]>([])
        let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
            seen.change { $0.append(request.path) }
            return await echoBody(request)
        }
        try await withClient(answer) { client in
            try await client.send("POST /first HTTP/1.1\r\nHost: t\r\n" + rest + get("/smuggled"))
            let response = try await client.response()
            #expect(response.status == 400)
            #expect(response["connection"] == "close")
            #expect(try await client.rest().isEmpty)
            #expect(!seen.value.contains("/smuggled"))
        }
    }

    @Test(arguments: ["GET /", "GET / HTTP/0.9", "GET / HTTP/2.0"])
    func anotherVersionIsRefused(line: String) async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(line + "\r\nHost: t\r\n\r\n")
            #expect([400, 505].contains(try await client.response().status))
            #expect(await client.isClosedByServer())
        }
    }

    @Test func tooLargeAHeadIsRefused() async throws {
        try await withServer(EchoAtOnce()) { port, _ in
            let cases = [
                (get("/" + String(repeating: "a", count: 17_000)), 414),
                (get("/", "X: " + String(repeating: "a", count: 33_000) + "\r\n"), 431),
                (get("/", String(repeating: "X: a\r\n", count: 200)), 431),
                (get("/", "X: " + String(repeating: "a", count: 300_000) + "\r\n"), 431),
            ]
            for (request, status) in cases {
                let client = try await RawClient(port: port)
                try await client.send(request)
                #expect(try await client.response().status == status)
                #expect(await client.isClosedByServer())
            }
        }
    }

    @Test func anAnswerThatWouldSplitTheHeadBecomesA500() async throws {
        let bad = HTTPResponse(status: 200, headers: ["Location": "/a\r\nX-Evil: 1"], body: .bytes([65]))
        try await withClient({ _ in bad }) { client in
            try await client.send(get("/"))
            let response = try await client.response()
            #expect(response.status == 500)
            #expect(response["x-evil"] == nil)
        }
    }

    @Test func aServerNameIsSentWhenItIsSet() async throws {
        var options = HTTPServerOptions()
        options.serverName = "kilonova"
        options.unixTime = { 784_111_777 }
        try await withServer(EchoAtOnce(), options: options) { port, _ in
            let client = try await RawClient(port: port)
            try await client.send(get("/"))
            let response = try await client.response()
            #expect(response["server"] == "kilonova")
            #expect(response["date"] == "Sun, 06 Nov 1994 08:49:37 GMT")
        }
    }
}

import Glibc
import HTTPService
import Testing

struct RequestBodyTests {
    private func post(_ fields: String) -> String { "POST /p HTTP/1.1\r\nHost: t\r\n\(fields)\r\n" }

    @Test func aBodyWithALengthIsRead() async throws {
        try await withClient(echoBody) { client in
            try await client.send(post("Content-Length: 5\r\n") + "hello")
            #expect(try await client.response().text == "hello")
        }
    }

    @Test func aSlowBodyIsReadAsItComes() async throws {
        try await withClient(echoBody) { client in
            try await client.send(post("Content-Length: 12\r\n"))
            for byte in Array("hello, world".utf8) { try await client.send([byte]) }
            #expect(try await client.response().text == "hello, world")
        }
    }

    @Test func chunksArePutTogether() async throws {
        try await withClient(echoBody) { client in
            try await client.send(post("Transfer-Encoding: chunked\r\n"))
            for piece in ["5\r\nhel", "lo\r\n1;ext=1\r", "\n,\r\n", "6\r\n world\r\n0\r\nTrailer: x\r\n", "\r\n"] {
                try await client.send(piece)
            }
            #expect(try await client.response().text == "hello, world")
            try await client.send(get("/next"))
            #expect(try await client.response().status == 200)
        }
    }

    @Test func brokenChunksFailTheBodyAndCloseTheConnection() async throws {
        try await withClient(echoBody) { client in
            try await client.send(post("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\nzz\r\n" + get("/smuggled"))
            #expect(try await client.response().status == 400)
            #expect(try await client.rest().isEmpty)
        }
    }

    @Test func continueIsSaidWhenTheBodyIsFirstRead() async throws {
        let gate = Shared(false)
        let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
            while !gate.value { try? await Task.sleep(for: .milliseconds(2)) }
            return await echoBody(request)
        }
        try await withClient(answer) { client in
            for _ in 0..<2 {
                gate.change { $0 = false }
                try await client.send(post("Content-Length: 2\r\nExpect: 100-continue\r\n"))
                gate.change { $0 = true }
                #expect(try await client.response().status == 100)
                try await client.send("ok")
                #expect(try await client.response().text == "ok")
            }
        }
    }

    @Test func continueIsNotSaidWhenTheBodyIsNotRead() async throws {
        try await withClient({ _ in .empty(403) }) { client in
            try await client.send(post("Content-Length: 2\r\nExpect: 100-continue\r\n"))
            let response = try await client.response()
            #expect(response.status == 403)
            #expect(response["connection"] == "close")
            #expect(await client.isClosedByServer())
        }
    }

    @Test func continueIsNotSaidToAClientThatDidNotWait() async throws {
        try await withClient(echoBody) { client in
            try await client.send(post("Content-Length: 2\r\nExpect: 100-continue\r\n") + "ok")
            var response = try await client.response()
            if response.status == 100 { response = try await client.response() }
            #expect(response.text == "ok")
        }
    }

    @Test func aBodyOfDeclaredSizeBeyondTheLimitIsRefusedUnread() async throws {
        try await withClient(echoBody) { client in
            try await client.send(post("Content-Length: 114689\r\n"))
            let response = try await client.response()
            #expect(response.status == 413)
            #expect(response["connection"] == "close")
            #expect(await client.isClosedByServer())
        }
    }

    @Test func aBodyThatGrowsBeyondTheLimitIsRefused() async throws {
        try await withClient(echoBody) { client in
            let chunk = "10000\r\n" + String(repeating: "x", count: 65_536) + "\r\n"
            try await client.send(post("Transfer-Encoding: chunked\r\n") + chunk + chunk + chunk)
            let response = try await client.response()
            #expect(response.status == 413)
            #expect(response["connection"] == "close")
        }
    }

    @Test func theRefusalArrivesThoughTheClientIsStillSending() async throws {
        try await withClient(echoBody) { client in
            try await client.send(post("Content-Length: 3000000\r\n"))
            try? await client.send([UInt8](repeating: 0, count: 3_000_000))
            #expect(try await client.response().status == 413)
        }
    }

    @Test func aSmallUnreadBodyIsSkippedAndTheConnectionKept() async throws {
        try await withClient({ request in .text(200, request.path) }) { client in
            try await client.send(post("Content-Length: 1000\r\n"))
            let response = try await client.response()
            #expect(response["connection"] == nil)
            try await client.send(String(repeating: "x", count: 1000) + get("/next"))
            #expect(try await client.response().text == "/next")
        }
    }

    @Test func aClientThatStopsInTheMiddleTimesOut() async throws {
        var options = HTTPServerOptions()
        options.stallTimeout = .milliseconds(100)
        try await withClient(options: options, echoBody) { client in
            try await client.send(post("Content-Length: 10\r\n") + "abc")
            let response = try await client.response()
            #expect(response.status == 408)
            #expect(response["connection"] == "close")
            #expect(await client.isClosedByServer())
        }
    }

    @Test func aClientThatGoesAwayInTheMiddleFailsTheBody() async throws {
        let outcome = Shared<HTTPBodyError?>(nil)
        let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
            do throws(HTTPBodyError) { _ = try await request.body.collect() } catch { outcome.change { $0 = error } }
            return .empty(200)
        }
        try await withClient(answer) { client in
            try await client.send(post("Content-Length: 10\r\n") + "abc")
            await client.close()
            await eventually("the body fails") { outcome.value == .disconnected }
        }
    }

    @Test func anUploadThatNobodyReadsIsHeldBack() async throws {
        let gate = Shared(false)
        let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
            while !gate.value { try? await Task.sleep(for: .milliseconds(5)) }
            return await countBody(request)
        }
        try await withClient(answer) { client in
            let size = 64 * 1024 * 1024
            let piece = [UInt8](repeating: 7, count: 1 << 20)
            try await client.send(post("Content-Length: \(size)\r\n"))
            var taken = try await client.sendAsMuchAsFits(of: piece, total: size, quietMilliseconds: 300)
            #expect(taken < size / 2, "what the kernel buffers, and little more: \(taken)")
            gate.change { $0 = true }
            while taken < size {
                let next = piece.prefix(size - taken)
                try await client.send(Array(next))
                taken += next.count
            }
            #expect(try await client.response().text == String(size))
        }
    }

    @Test func manyTinyChunksAreHeldBackToo() async throws {
        try await withClient(countBody) { client in
            let chunks = String(repeating: "1\r\nx\r\n", count: 200_000)
            try await client.send(post("Transfer-Encoding: chunked\r\n") + chunks + "0\r\n\r\n")
            #expect(try await client.response().text == "200000")
        }
    }

    @Test func twoHundredMegabytesPassThroughInLittleMemory() async throws {
        let size = 200 * 1024 * 1024
        let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
            HTTPResponse(
                status: 200,
                body: .stream(
                    HTTPBodyStream(length: request.body.declaredLength) { writer in
                        for try await buffer in request.body { try await writer.write(buffer) }
                    }))
        }
        try await withClient(answer) { client in
            let piece = [UInt8](repeating: 42, count: 1 << 20)
            let before = residentBytes()
            let highest = Shared(before)
            async let sending: Void = {
                try await client.send(post("Content-Length: \(size)\r\n"))
                for _ in 0..<(size / piece.count) { try await client.send(piece) }
            }()
            let head = try await client.take(through: "\r\n\r\n")
            #expect(String(decoding: head, as: UTF8.self).contains("Content-Length: \(size)\r\n"))
            for _ in 0..<20 {
                try await client.skip(size / 20)
                let now = residentBytes()
                highest.change { $0 = max($0, now) }
            }
            try await sending
            #expect(highest.value - before < 80 * 1024 * 1024, "\((highest.value - before) / 1024) KiB more")
        }
    }
}

/// Resident memory of this process.
func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}

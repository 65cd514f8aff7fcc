import Glibc
import HTTPService
import Testing

struct ResponseBodyTests {
    /// A stream of the numbers below `count`, one per write.
    private static func numbers(_ count: Int, length: Int? = nil) -> HTTPResponse {
        HTTPResponse(
            status: 200,
            body: .stream(
                HTTPBodyStream(length: length) { writer in
                    for number in 0..<count { try await writer.write(Array("\(number),".utf8)) }
                }))
    }

    @Test func aStreamOfUnknownLengthIsChunked() async throws {
        try await withClient({ _ in Self.numbers(100) }) { client in
            for _ in 0..<2 {
                try await client.send(get("/"))
                let response = try await client.response()
                #expect(response["transfer-encoding"] == "chunked")
                #expect(response["content-length"] == nil)
                #expect(response.text == (0..<100).map { "\($0)," }.joined())
            }
        }
    }

    @Test func aStreamOfKnownLengthIsNot() async throws {
        try await withClient({ _ in Self.numbers(10, length: 20) }) { client in
            try await client.send(get("/") + get("/"))
            for _ in 0..<2 { #expect(try await client.response()["content-length"] == "20") }
        }
    }

    @Test func aStreamForHTTP10EndsWithTheConnection() async throws {
        try await withClient({ _ in Self.numbers(3) }) { client in
            try await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            let response = try await client.response()
            #expect(response["connection"] == "close")
            #expect(response["transfer-encoding"] == nil)
            #expect(response.text == "0,1,2,")
        }
    }

    @Test func headDoesNotRunTheStream() async throws {
        let runs = Shared(0)
        let response = HTTPResponse(
            status: 200, body: .stream(HTTPBodyStream(length: 5) { _ in runs.change { $0 += 1 } }))
        try await withClient({ _ in response }) { client in
            try await client.send("HEAD / HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(try await client.response(hasBody: false)["content-length"] == "5")
            try await client.send("HEAD / HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(try await client.response(hasBody: false).status == 200)
            #expect(runs.value == 0)
        }
    }

    @Test func aStreamThatFailsCutsTheConnection() async throws {
        struct Broken: Error {}
        let response = HTTPResponse(
            status: 200,
            body: .stream(
                HTTPBodyStream { writer in
                    try await writer.write(Array("part".utf8))
                    throw Broken()
                }))
        try await withClient({ _ in response }) { client in
            try await client.send(get("/") + get("/next"))
            await #expect(throws: (any Error).self) { try await client.response() }
        }
    }

    @Test(arguments: [19, 21])
    func aStreamThatMissesItsLengthCutsTheConnection(announced: Int) async throws {
        try await withClient({ _ in Self.numbers(10, length: announced) }) { client in
            try await client.send(get("/"))
            let all = try? await client.rest()
            #expect((all?.count ?? 0) < 20 + 200)
            #expect(await client.isClosedByServer())
        }
    }

    @Test func aClientThatDoesNotReadHoldsTheWriterBack() async throws {
        let written = Shared(0)
        let response = HTTPResponse(
            status: 200,
            body: .stream(
                HTTPBodyStream(length: 2048 * 65_536) { writer in
                    let piece = [UInt8](repeating: 1, count: 65_536)
                    for _ in 0..<2048 {
                        try await writer.write(piece)
                        written.change { $0 += piece.count }
                    }
                }))
        try await withClient({ _ in response }) { client in
            try await client.send(get("/"))
            var last = -1
            await eventually("the writer stops") {
                let now = written.value
                defer { last = now }
                try? await Task.sleep(for: .milliseconds(200))
                return now > 0 && now == last
            }
            #expect(written.value < 64 * 1024 * 1024)
            _ = try await client.take(through: "\r\n\r\n")
            try await client.skip(2048 * 65_536)
            await eventually("the writer ends") { written.value == 2048 * 65_536 }
        }
    }

    @Test func aClientThatTakesNothingTimesOut() async throws {
        var options = HTTPServerOptions()
        options.stallTimeout = .milliseconds(100)
        let failure = Shared<HTTPBodyError?>(nil)
        let response = HTTPResponse(
            status: 200,
            body: .stream(
                HTTPBodyStream { writer in
                    do throws(HTTPBodyError) {
                        while true { try await writer.write([UInt8](repeating: 1, count: 65_536)) }
                    } catch {
                        failure.change { $0 = error }
                    }
                }))
        try await withClient(options: options, { _ in response }) { client in
            try await client.send(get("/"))
            await eventually("the writer fails") { failure.value == .disconnected }
        }
    }

    @Test func aLargeBodyInMemoryArrivesWhole() async throws {
        let large = ByteBuffer(bytes: (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0) })
        try await withClient({ request in
            HTTPResponse(
                status: 200,
                body: request.path == "/b" ? .buffer(large) : .bytes(Array(large.readableBytesView)))
        }) { client in
            try await client.send(get("/a") + get("/b") + get("/b"))
            for _ in 0..<3 { #expect(try await client.response().body == Array(large.readableBytesView)) }
        }
    }
}

struct FileResponseTests {
    private static let size = 1_000_003
    private static let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 997) }

    private func withFile(_ body: (RawClient) async throws -> Void) async throws {
        let path = "/tmp/http-service-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let file = try #require(fopen(path, "w"))
        Self.content.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
        fclose(file)
        defer { unlink(path) }
        try await withClient({ request in
            do throws(HTTPFileError) {
                let file = try await HTTPFile.open(path: request.path == "/none" ? path + ".none" : path)
                return HTTPResponse(status: 200, headers: ["ETag": "\"v1\""], body: .file(file))
            } catch {
                return .refusal(404, error.description)
            }
        }, body: body)
    }

    @Test func aFileIsSentWhole() async throws {
        try await withFile { client in
            try await client.send(get("/") + get("/"))
            for _ in 0..<2 {
                let response = try await client.response()
                #expect(response.status == 200)
                #expect(response["accept-ranges"] == "bytes")
                #expect(response.body == Self.content)
            }
        }
    }

    @Test func aRangeOfAFileIsSent() async throws {
        try await withFile { client in
            try await client.send(get("/", "Range: bytes=300000-900000\r\n"))
            let part = try await client.response()
            #expect(part.status == 206)
            #expect(part["content-range"] == "bytes 300000-900000/1000003")
            #expect(part.body == Array(Self.content[300_000...900_000]))
            try await client.send(get("/", "Range: bytes=-3\r\n"))
            #expect(try await client.response().body == Self.content.suffix(3))
        }
    }

    @Test func aRangeBeyondTheFileIsRefused() async throws {
        try await withFile { client in
            try await client.send(get("/", "Range: bytes=1000003-\r\n") + get("/"))
            let refusal = try await client.response()
            #expect(refusal.status == 416)
            #expect(refusal["content-range"] == "bytes */1000003")
            #expect(try await client.response().status == 200)
        }
    }

    @Test func aRangeCanDependOnTheVersion() async throws {
        try await withFile { client in
            try await client.send(get("/", "Range: bytes=0-1\r\nIf-Range: \"v1\"\r\n"))
            #expect(try await client.response().status == 206)
            try await client.send(get("/", "Range: bytes=0-1\r\nIf-Range: \"v0\"\r\n"))
            #expect(try await client.response().status == 200)
        }
    }

    @Test func headOfAFileTellsItsSize() async throws {
        try await withFile { client in
            try await client.send("HEAD / HTTP/1.1\r\nHost: t\r\n\r\n" + get("/none"))
            #expect(try await client.response(hasBody: false)["content-length"] == "1000003")
            #expect(try await client.response().status == 404)
        }
    }

    @Test func aFileRespondsInMemoryToo() async throws {
        let http = InMemoryHTTP(
            ClosureResponder { _ in
                do throws(HTTPFileError) {
                    return HTTPResponse(status: 200, body: .file(try await .open(path: "/proc/self/exe")))
                } catch { return .refusal(500, error.description) }
            })
        let answer = await http.send(.GET, "/", headers: ["Range": "bytes=1-3"])
        #expect(answer.status == 206)
        #expect(answer.text == "ELF")
        await #expect(throws: HTTPFileError.notRegular(path: "/")) { try await HTTPFile.open(path: "/") }
        await #expect(throws: HTTPFileError.notFound(path: "/none")) { try await HTTPFile.open(path: "/none") }
    }
}

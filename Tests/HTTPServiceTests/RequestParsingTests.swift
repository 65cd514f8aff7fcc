import Testing

@testable import HTTPService

struct RequestTargetTests {
    private func parse(_ target: String, _ method: HTTPMethod = .GET) throws -> RequestTarget {
        try RequestTarget(target, method: method)
    }

    @Test(arguments: [
        ("/", []), ("/a", ["a"]), ("/a/", ["a"]), ("/a/b", ["a", "b"]), ("/a//b", ["a", "", "b"]), ("//a", ["", "a"]),
        ("/a%20b/%C3%A4", ["a b", "ä"]), ("/a+b", ["a+b"]), ("/a%2Fb", ["a/b"]), ("/ä", ["ä"]), ("/a?x/y", ["a"]),
        ("/.a/..b/...", [".a", "..b", "..."]), ("http://h:1/a?b", ["a"]), ("http://h", []),
    ])
    func aPathIsSplitAndDecoded(target: String, segments: [String]) throws {
        #expect(try parse(target).segments == segments)
    }

    @Test(arguments: [
        "/..", "/a/../b", "/a/%2e%2E/b", "/a/.", "/%00", "/a%00b", "/%", "/%4", "/%zz", "/%ff", "/%c3", "/%C0%AF",
        "/\u{FFFD}", "a", "", "ftp://h/a", "http://h@x/a", "http://h:99999/",
    ])
    func aBadPathIsRefused(target: String) {
        #expect(throws: HTTPRefusal.self) { try parse(target) }
    }

    @Test func theAsteriskIsForOptionsOnly() throws {
        #expect(try parse("*", .OPTIONS).path == "*")
        #expect(throws: HTTPRefusal.self) { try parse("*") }
    }

    @Test func aQueryIsDecodedInOrder() throws {
        let query = try parse("/p?a=1&b=x+y&a=%2B2&flag&=v&&c=a%3Db=c&bad=%zz").query
        let pairs = query.map { "\($0.name)|\($0.value)" }
        #expect(pairs == ["a|1", "b|x y", "a|+2", "flag|", "|v", "c|a=b=c", "bad|%zz"])
        #expect(query["a"] == "1")
        #expect(query.values("a") == ["1", "+2"])
        #expect(query.contains("flag"))
        #expect(query["none"] == nil)
    }

    @Test func aQueryThatIsNotUTF8IsRefused() {
        #expect(throws: HTTPRefusal.self) { try parse("/p?a=%ff") }
    }

    @Test func requestIDsAreUUIDsOfVersionFour() {
        #expect(RequestID(randomBits: (0, 0)).description == "req-00000000-0000-4000-8000-000000000000")
        #expect(RequestID(randomBits: (.max, .max)).description == "req-ffffffff-ffff-4fff-bfff-ffffffffffff")
        var source = RequestIDSource(seeds: (1, 2))
        let ids = Set((0..<1000).map { _ in source.next().description })
        #expect(ids.count == 1000)
        #expect(ids.allSatisfy { $0.utf8.count == 40 })
    }
}

struct RequestFramingTests {
    private func framing(_ fields: [(String, String)], http10: Bool = false) throws -> RequestFraming {
        try RequestFraming(
            HTTPRequestHead(
                version: http10 ? .http1_0 : .http1_1, method: .POST, uri: "/", headers: HTTPHeaders(fields)))
    }

    @Test func theBodyIsFramedByLengthOrChunks() throws {
        #expect(try framing([("Host", "h")]).body == .none)
        #expect(try framing([("Host", "h"), ("content-length", "0")]).body == .none)
        #expect(try framing([("Host", "h"), ("Content-Length", "12")]).body == .length(12))
        #expect(try framing([("Host", "h"), ("Transfer-Encoding", "Chunked")]).body == .chunked)
    }

    @Test func persistenceFollowsVersionAndFields() throws {
        #expect(try framing([("Host", "h")]).keepsAlive)
        #expect(try !framing([("Host", "h"), ("Connection", "foo, Close")]).keepsAlive)
        #expect(try !framing([], http10: true).keepsAlive)
        #expect(try framing([("Connection", "Keep-Alive")], http10: true).keepsAlive)
        #expect(try !framing([("Host", "h"), ("Connection", "upgrade"), ("Upgrade", "h2c")]).keepsAlive)
    }

    @Test(arguments: [
        [("Host", "h"), ("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
        [("Host", "h"), ("Content-Length", "1"), ("Content-Length", "1")],
        [("Host", "h"), ("Content-Length", "1, 1")], [("Host", "h"), ("Content-Length", "+1")],
        [("Host", "h"), ("Content-Length", "0x1")], [("Host", "h"), ("Content-Length", "99999999999999999999")],
        [("Host", "h"), ("Transfer-Encoding", "gzip, chunked")], [("Host", "h"), ("Transfer-Encoding", "identity")],
        [("Host", "h"), ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
        [], [("Host", "h"), ("Host", "i")], [("Host", "h/x")], [("Host", "a b")], [("Host", "u@h")],
        [("Host", "h:x")], [("Host", "[::1")], [("Host", "h:70000")], [("Host", "h"), ("Expect", "magic")],
    ])
    func ambiguousOrUnknownFramingIsRefused(fields: [(String, String)]) {
        #expect(throws: HTTPRefusal.self) { try framing(fields) }
    }

    @Test(arguments: ["h", "h:80", "1.2.3.4:8774", "[::1]", "[fe80::1]:9", "a_b-c.example", "h:", ""])
    func aValidHostIsAccepted(host: String) throws {
        #expect(try framing([("Host", host)]).body == .none)
    }
}

struct RequestOriginTests {
    private func url(_ fields: [(String, String)], trusted: Bool = false) -> String {
        let local = RemoteAddress(host: "::1", port: 8774)
        let facts = ConnectionFacts(remote: local, local: local, listenerTag: "", isTrustedProxy: trusted)
        return RequestOrigin(headers: HTTPHeaders(fields), connection: facts).url
    }

    @Test func linksFollowTheHostField() {
        #expect(url([("Host", "cloud:8774")]) == "http://cloud:8774")
        #expect(url([]) == "http://[::1]:8774")
    }

    @Test func forwardedFieldsOfStrangersAreIgnored() {
        #expect(url([("Host", "h"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-Proto", "https")]) == "http://h")
    }

    @Test func forwardedFieldsOfTrustedProxiesAreBelievedWhereTheyAreValid() {
        let fields = [("Host", "h"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "pub.example, inner")]
        #expect(url(fields, trusted: true) == "https://pub.example")
        #expect(url(fields + [("X-Forwarded-Port", "8443")], trusted: true) == "https://pub.example:8443")
        #expect(url(fields + [("X-Forwarded-Port", "443")], trusted: true) == "https://pub.example")
        #expect(url(fields + [("X-Forwarded-Prefix", "/cloud/one")], trusted: true) == "https://pub.example/cloud/one")
        let bad = [("Host", "h"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "a/b")]
        #expect(url(bad + [("X-Forwarded-Prefix", "/../x")], trusted: true) == "http://h")
    }

    @Test func proxiesAreAddressesOrNetworks() throws {
        let proxies = try TrustedProxies(["10.0.0.0/8", "192.168.1.7", "fd00::/9"])
        func trusts(_ host: String) -> Bool { proxies.contains(RemoteAddress(host: host, port: 1)) }
        #expect(trusts("10.255.0.1") && trusts("192.168.1.7") && trusts("fd7f::1") && trusts("::ffff:10.1.2.3"))
        #expect(!trusts("11.0.0.1") && !trusts("192.168.1.8") && !trusts("fd80::1") && !trusts(""))
        #expect(throws: TrustedProxiesError(entry: "10.0.0.0/33")) { try TrustedProxies(["10.0.0.0/33"]) }
        #expect(throws: TrustedProxiesError(entry: "proxy")) { try TrustedProxies(["proxy"]) }
    }
}

struct ResponseHeadTests {
    @Test(arguments: [
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
    ])
    func datesAreWrittenAsHTTPWantsThem(time: Int, text: String) {
        #expect(HTTPDate.text(time) == text)
    }

    @Test func fieldsThatWouldSplitTheHeadAreNotWritable() {
        #expect(ResponseHead.isWritable(["X": "a\tb ü"]))
        #expect(!ResponseHead.isWritable(["X": "a\r\nSet-Cookie: b"]))
        #expect(!ResponseHead.isWritable(["X": "a\0"]))
        #expect(!ResponseHead.isWritable(["X Y": "a"]))
        #expect(!ResponseHead.isWritable(["X:": "a"]))
    }

    @Test(arguments: [
        ("bytes=0-9", FileRange.part(0..<10)), ("bytes=90-", .part(90..<100)), ("bytes=90-200", .part(90..<100)),
        ("bytes=-10", .part(90..<100)), ("bytes=-200", .part(0..<100)), ("bytes=100-", .unsatisfiable),
        ("bytes=-0", .unsatisfiable), ("bytes=5-4", .whole), ("bytes=0-1,5-6", .whole), ("lines=0-1", .whole),
        ("bytes=a-b", .whole), ("bytes=-", .whole), ("bytes=0-99999999999999999999999", .part(0..<100)),
        ("bytes=99999999999999999999999-", .unsatisfiable),
    ])
    func aRangeIsReadAgainstTheSize(field: String, expected: FileRange) {
        #expect(FileRange(field: field, size: 100) == expected)
    }
}

import HTTPService
import Testing
import WireJSON

/// Says what it sees.
private struct Describing: HTTPResponder {
    let name: String
    func respond(to request: HTTPRequest) async -> HTTPResponse {
        let segments = request.pathSegments.joined(separator: ",")
        return .text(200, "\(name) \(request.mountPath) \(request.path) [\(segments)] \(request.absoluteURL("/x"))")
    }
}

struct ResponderTests {
    private let http = InMemoryHTTP(
        MountedResponder(
            mounts: [
                "/compute": Describing(name: "compute"), "/compute/v2.1/deep": Describing(name: "deep"),
                "/identity/": Describing(name: "identity"),
            ],
            fallback: Describing(name: "root")))

    @Test(arguments: [
        ("/compute/servers/1", "compute /compute /servers/1 [servers,1] http://127.0.0.1:80/compute/x"),
        ("/compute", "compute /compute / [] http://127.0.0.1:80/compute/x"),
        ("/compute/", "compute /compute / [] http://127.0.0.1:80/compute/x"),
        ("/compute/v2.1/deep/a%20b", "deep /compute/v2.1/deep /a%20b [a b] http://127.0.0.1:80/compute/v2.1/deep/x"),
        ("/identity/v3/", "identity /identity /v3/ [v3] http://127.0.0.1:80/identity/x"),
        ("/computed", "root  /computed [computed] http://127.0.0.1:80/x"),
        ("/", "root  / [] http://127.0.0.1:80/x"),
    ])
    func theLongestMountedPrefixAnswers(target: String, expected: String) async {
        #expect(await http.send(.GET, target).text == expected)
    }

    @Test func mountsInsideMountsAddUp() async {
        let inner = MountedResponder(mounts: ["/b": Describing(name: "in")], fallback: Describing(name: "fall"))
        let http = InMemoryHTTP(MountedResponder(mounts: ["/a": inner], fallback: Describing(name: "root")))
        #expect(await http.send(.GET, "/a/b/c").text == "in /a/b /c [c] http://127.0.0.1:80/a/b/x")
    }

    @Test func theInMemoryClientChecksLikeTheServer() async throws {
        let refused = await http.send(.GET, "/a/../b")
        #expect(refused.status == 400)
        #expect(try refused.json()["error"]?["code"]?.int == 400)
        #expect(await http.send(.GET, "/", headers: ["Transfer-Encoding": "gzip"]).status == 400)
    }

    @Test func theInMemoryClientCollectsStreams() async {
        let http = InMemoryHTTP(
            ClosureResponder { request in
                HTTPResponse(
                    status: 200,
                    body: .stream(
                        HTTPBodyStream { writer in
                            for try await buffer in request.body { try await writer.write(buffer) }
                            try await writer.write(Array("!".utf8))
                        }))
            })
        #expect(await http.send(.POST, "/", body: Array("hello".utf8)).text == "hello!")
    }

    @Test func jsonGoesInAndOut() async throws {
        let http = InMemoryHTTP(
            ClosureResponder { request in .json(201, (try? await request.body.collect()) ?? []) })
        let answer = await http.send(.POST, "/", json: ["a": 1])
        #expect(answer.status == 201)
        #expect(try answer.json() == ["a": 1])
        #expect(answer.headers.first(name: "content-type") == "application/json")
    }

    @Test func aBodyInMemoryIsLimitedToo() async {
        let http = InMemoryHTTP(ClosureResponder(echoBody))
        let answer = await http.send(.POST, "/", body: [UInt8](repeating: 0, count: 114_689))
        #expect(answer.status == 413)
    }
}

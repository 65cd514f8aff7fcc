import ComputeModel
import Crypto
import Database
import DatabaseServers
import Foundation
import HTTPService
import Identity
import Logging
import NIOPosix
import Synchronization
import WireJSON

@testable import ImageStandIn

/// A stand-in on a memory database and a directory of its own, with a handful of callers.
final class ImageWorld: Sendable {
    let api: ImageAPI
    let http: InMemoryHTTP
    let store: ImageStore
    let files: ImageFiles
    let clock: TestClock
    let directory: String

    init(_ options: ImageStandInOptions = ImageStandInOptions(), directory: String? = nil, database: SQLDatabase? = nil)
        async throws
    {
        let directory = directory ?? NSTemporaryDirectory() + "images-\(UUID().uuidString)"
        let clock = TestClock()
        let opened = if let database { database } else { try await SQLDatabase.open(url: TestEngine.emptyDatabase()) }
        store = try await ImageStore.open(opened) { clock.now }
        files = try await ImageFiles.open(directory: directory)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        api = try await ImageAPI.make(options, store: store, files: files, tokens: Callers(), logger: logger)
        http = InMemoryHTTP(api)
        (self.clock, self.directory) = (clock, directory)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func send(
        _ method: HTTPMethod, _ path: String, as caller: String = "ann", _ body: JSONValue? = nil,
        type: String = "application/json"
    ) async -> InMemoryResponse {
        await http.send(
            method, path, headers: ["X-Auth-Token": caller, "Content-Type": type], body: body?.serialized() ?? [])
    }

    /// Makes an image, ready for data.
    func make(_ members: JSONObject, as caller: String = "ann") async throws -> String {
        var body: JSONObject = ["name": "image", "disk_format": "raw", "container_format": "bare"]
        for (name, value) in members { body.set(name, value) }
        let answer = await send(.POST, "/v2/images", as: caller, .object(body))
        guard answer.status == 201, let id = try answer.json()["id"]?.string else { throw Unexpected(answer.text) }
        return id
    }

    func upload(_ bytes: [UInt8], to id: String, as caller: String = "ann") async -> InMemoryResponse {
        await http.send(
            .PUT, "/v2/images/\(id)/file",
            headers: ["X-Auth-Token": caller, "Content-Type": "application/octet-stream"], body: bytes)
    }

    func patch(_ id: String, as caller: String = "ann", _ operations: JSONValue) async -> InMemoryResponse {
        await send(.PATCH, "/v2/images/\(id)", as: caller, operations, type: ImagePatch.mediaTypes[0])
    }

    func names(_ query: String, as caller: String = "ann") async throws -> [String] {
        let answer = await send(.GET, "/v2/images\(query)", as: caller)
        guard let images = try answer.json()["images"]?.array else { throw Unexpected(answer.text) }
        return images.map { $0["name"]?.string ?? "-" }
    }

    var fileNames: [String] { (try? FileManager.default.contentsOfDirectory(atPath: directory).sorted()) ?? [] }
}

struct Unexpected: Error {
    let text: String
    init(_ text: String) { self.text = text }
}

final class TestClock: Sendable {
    private let moment = Mutex(Timestamp(seconds: 1_800_000_000))
    var now: Timestamp {
        moment.withLock {
            $0 = $0 + .seconds(1)
            return $0
        }
    }
}

/// Tokens that are names: ann and bob in projects of their own, rita who may only read, root.
struct Callers: TokenValidating {
    func validate(_ token: String) async throws(TokenRefusal) -> TokenFacts {
        let roles: [String] =
            switch token {
            case "ann", "bob": ["member", "reader"]
            case "rita": ["reader"]
            case "root": ["admin", "member", "reader"]
            case "down": throw .unavailable("no answer")
            default: throw .invalid
            }
        return TokenFacts(
            userID: token, userName: token, projectID: token == "rita" ? "ann" : token, roles: roles,
            expiresAt: Timestamp(seconds: 4_000_000_000))
    }
}

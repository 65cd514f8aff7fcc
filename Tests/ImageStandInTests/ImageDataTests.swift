import ComputeModel
import Crypto
import Database
import Foundation
import Glibc
import HTTPService
import Identity
import Logging
import NIOPosix
import Testing
import WireJSON

@testable import ImageStandIn

struct ImageDataTests {
    @Test func dataComeBackWithTheirHashes() async throws {
        let world = try await ImageWorld()
        let id = try await world.make([:])
        #expect(await world.send(.GET, "/v2/images/\(id)/file").status == 204)
        let data = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(await world.upload(data, to: id).status == 204)
        let image = try await world.send(.GET, "/v2/images/\(id)").json()
        let md5 = Insecure.MD5.hash(data: data).map { String(format: "%02x", $0) }.joined()
        #expect(image["status"] == "active")
        #expect(image["size"] == 3_000_000)
        #expect(image["virtual_size"] == 3_000_000)
        #expect(image["checksum"]?.string == md5)
        #expect(image["os_hash_algo"] == "sha512")
        #expect(image["os_hash_value"]?.string == SHA512.hash(data: data).map { String(format: "%02x", $0) }.joined())
        let file = await world.send(.GET, "/v2/images/\(id)/file")
        #expect(file.body == data)
        #expect(file.headers.first(name: "Content-MD5") == md5)
        let part = await world.http.send(
            .GET, "/v2/images/\(id)/file", headers: ["X-Auth-Token": "ann", "Range": "bytes=10-19"])
        #expect(part.status == 206)
        #expect(part.body == Array(data[10..<20]))
        #expect(await world.upload(data, to: id).status == 409)
        #expect(await world.patch(id, [["op": "replace", "path": "/disk_format", "value": "iso"]]).status == 403)
        #expect(world.fileNames.count == 1)
        #expect(await world.send(.DELETE, "/v2/images/\(id)").status == 204)
        #expect(world.fileNames == [])
    }

    @Test func uploadsNeedFormatsAndTheRightMediaType() async throws {
        let world = try await ImageWorld()
        let bare = await world.send(.POST, "/v2/images", ["name": "x"])
        let id = try #require(try bare.json()["id"]?.string)
        #expect(await world.upload([1], to: id).status == 400)
        let other = try await world.make([:])
        #expect(await world.send(.PUT, "/v2/images/\(other)/file", ["a": 1]).status == 415)
        #expect(await world.upload([1], to: other, as: "bob").status == 404)
        #expect(world.fileNames == [])
    }

    @Test func tooMuchIsRefusedAndLeavesNothing() async throws {
        var options = ImageStandInOptions()
        options.imageBytesMax = 1000
        let world = try await ImageWorld(options)
        let id = try await world.make([:])
        #expect(await world.upload(Array(repeating: 0, count: 1001), to: id).status == 413)
        #expect(try await world.send(.GET, "/v2/images/\(id)").json()["status"] == "queued")
        #expect(world.fileNames == [])
        #expect(await world.upload(Array(repeating: 0, count: 1000), to: id).status == 204)
    }

    @Test func deactivatedDataAreTheAdministratorsAlone() async throws {
        let world = try await ImageWorld()
        let id = try await world.make([:])
        #expect(await world.upload([1, 2, 3], to: id).status == 204)
        #expect(await world.send(.POST, "/v2/images/\(id)/actions/deactivate", as: "rita").status == 403)
        #expect(await world.send(.POST, "/v2/images/\(id)/actions/deactivate").status == 204)
        #expect(await world.send(.GET, "/v2/images/\(id)/file").status == 403)
        #expect(await world.send(.GET, "/v2/images/\(id)/file", as: "root").body == [1, 2, 3])
        #expect(await world.send(.POST, "/v2/images/\(id)/actions/reactivate", as: "root").status == 204)
        #expect(await world.send(.GET, "/v2/images/\(id)/file").body == [1, 2, 3])
    }

    @Test func startUpPutsBackWhatAFormerProcessLeft() async throws {
        let database = try await SQLDatabase.open(url: "sqlite://")
        let directory = NSTemporaryDirectory() + "images-\(UUID().uuidString)"
        let first = try await ImageWorld(directory: directory, database: database)
        let kept = try await first.make(["name": "kept"])
        #expect(await first.upload([1, 2], to: kept).status == 204)
        let broken = try await first.make(["name": "broken"])
        let file = ImageFiles.name(image: broken, upload: UUIDValue.random())
        try await first.store.beginUpload(to: #require(ImageID(broken)), file: file)
        for name in [file, file + ".part", "README"] {
            try Data([9]).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
        }
        let second = try await ImageWorld(directory: directory, database: database)
        #expect(try await second.send(.GET, "/v2/images/\(broken)").json()["status"] == "queued")
        #expect(await second.send(.GET, "/v2/images/\(kept)/file").body == [1, 2])
        // What is not ours is left alone.
        #expect(second.fileNames.contains("README"))
        #expect(second.fileNames.count == 2)
    }

    @Test func anImageDeletedDuringItsUploadIsGone() async throws {
        let world = try await ImageWorld()
        let id = try await world.make([:])
        let image = try #require(ImageID(id))
        let file = ImageFiles.name(image: id, upload: UUIDValue.random())
        try await world.store.beginUpload(to: image, file: file)
        #expect(await world.upload([1], to: id).status == 409)
        #expect(await world.send(.DELETE, "/v2/images/\(id)").status == 204)
        let facts = ImageDataFacts(size: 1, checksum: "", strongHash: "")
        #expect(try await !world.store.finishUpload(to: image, file: file, facts))
    }
}

/// Over a real socket, where uploads arrive piece by piece.
@Suite(.serialized) struct ImageStreamTests {
    @Test func twoHundredMegabytesNeedLittleMemory() async throws {
        let world = try await ImageWorld()
        let id = try await world.make([:])
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0)], responder: world.api, logger: Logger(label: "test"))
        let port = try #require(try await server.start().first?.port)
        let size = 200 << 20
        try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
        let before = try Self.peakKiB()
        let answer = try await NIOThreadPool.singleton.runIfActive {
            let client = try RawClient(port: port)
            try client.send("PUT /v2/images/\(id)/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ann\r\n"
                + "Content-Type: application/octet-stream\r\nContent-Length: \(size)\r\n\r\n")
            let piece = [UInt8](repeating: 0x5a, count: 1 << 16)
            for _ in 0..<(size >> 16) { try client.send(piece) }
            let answer = try client.status()
            try client.send("GET /v2/images/\(id)/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ann\r\n"
                + "Connection: close\r\n\r\n")
            return (answer, client.readToEnd())
        }
        let grown = try Self.peakKiB() - before
        #expect(answer.0.hasPrefix("HTTP/1.1 204"))
        #expect(answer.1 > size)
        #expect(answer.1 < size + 2048)
        #expect(grown < 40 * 1024, "grew by \(grown) KiB")
        #expect(try await world.send(.GET, "/v2/images/\(id)").json()["size"]?.int == size)
        await server.shutdown(grace: .seconds(1))
    }

    @Test func aBrokenUploadLeavesNoFileAndAQueuedImage() async throws {
        let world = try await ImageWorld()
        let id = try await world.make([:])
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0)], responder: world.api, logger: Logger(label: "test"))
        let port = try #require(try await server.start().first?.port)
        let client = try RawClient(port: port)
        try client.send("PUT /v2/images/\(id)/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ann\r\n"
            + "Content-Type: application/octet-stream\r\nContent-Length: 5000000\r\n\r\n")
        try client.send([UInt8](repeating: 1, count: 3_000_000))
        try await Self.eventually { world.fileNames.count == 1 }
        client.close()
        try await Self.eventually {
            try await world.send(.GET, "/v2/images/\(id)").json()["status"] == "queued"
        }
        #expect(world.fileNames == [])
        #expect(await world.upload([1], to: id).status == 204)
        await server.shutdown(grace: .seconds(1))
    }

    private static func peakKiB() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return Int(line.split(separator: " ").dropFirst().first ?? "") ?? Int(line.filter(\.isNumber)) ?? 0
    }

    private static func eventually(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while try await !condition() {
            guard ContinuousClock.now < deadline else { throw Unexpected("the condition never came true") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

/// A blocking client that sends what it is told.
final class RawClient: Sendable {
    private let descriptor: CInt

    init(port: Int) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Unexpected("connect: \(errno)") }
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Unexpected("send: \(errno)") }
            sent += count
        }
    }

    /// The head of an answer without a body.
    func status() throws -> String {
        var text = ""
        while !text.hasSuffix("\r\n\r\n") {
            var byte: UInt8 = 0
            guard recv(descriptor, &byte, 1, 0) == 1 else { throw Unexpected("recv: \(errno)") }
            text.unicodeScalars.append(Unicode.Scalar(byte))
        }
        return text
    }

    /// The bytes until the connection ends.
    func readToEnd() -> Int {
        var total = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return total }
            total += count
        }
    }

    func close() { Glibc.close(descriptor) }
}

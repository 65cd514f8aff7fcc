import ComputeModel
import HTTPService
import Testing

@testable import MetadataHTTP

struct ProxyTests {
    private static func world(secret: String = "s3cret") async throws -> MetadataWorld {
        var options = MetadataAPIOptions()
        (options.servesProxies, options.sharedSecret) = (true, secret)
        return try await MetadataWorld(options)
    }

    private static func headers(
        _ id: InstanceID, project: String = "p1", signature: String? = nil
    ) -> HTTPHeaders {
        [
            "X-Instance-ID": "\(id)", "X-Tenant-ID": project,
            "X-Instance-ID-Signature": signature ?? MetadataWorld.signature(id, "s3cret"),
        ]
    }

    @Test func aSignedProxyIsBelieved() async throws {
        let world = try await Self.world()
        let id = try await world.makeServer()
        let client = world.client(at: "127.0.0.1", on: nil)
        for _ in 0..<2 {
            let answer = await client.send(.GET, "/latest/meta-data/hostname", headers: Self.headers(id))
            #expect(answer.text == "demo.novalocal")
        }
        // Another project's proxy learns nothing, also while the server is kept.
        for headers in [Self.headers(id, project: "p2"), Self.headers(.random())] {
            #expect(await client.send(.GET, "/latest/meta-data/", headers: headers).status == 404)
        }
    }

    @Test func forgedSignaturesAreRefused() async throws {
        let world = try await Self.world()
        let id = try await world.makeServer()
        let client = world.client(at: "127.0.0.1", on: nil)
        let right = MetadataWorld.signature(id, "s3cret")
        for signature in [
            "", "00", right + "00", String(right.dropLast()), right.uppercased(), String(right.reversed()),
            MetadataWorld.signature(InstanceID.random(), "s3cret"), MetadataWorld.signature(id, "other"),
        ] {
            let answer = await client.send(.GET, "/latest/meta-data/", headers: Self.headers(id, signature: signature))
            #expect(answer.status == 403, "\(signature)")
            #expect(answer.text.contains("Invalid proxy request signature."))
        }
    }

    @Test(arguments: ["X-Instance-ID", "X-Tenant-ID", "X-Instance-ID-Signature"])
    func missingAndRepeatedHeadersAreRefused(_ name: String) async throws {
        let world = try await Self.world()
        let id = try await world.makeServer()
        let client = world.client(at: "127.0.0.1", on: nil)
        var headers = Self.headers(id)
        headers.add(name: name, value: headers.first(name: name) ?? "")
        let repeated = await client.send(.GET, "/latest/meta-data/", headers: headers)
        #expect(repeated.status == 400)
        #expect(repeated.text.contains("Multiple \(name) headers found within request."))
        headers.remove(name: name)
        let missing = await client.send(.GET, "/latest/meta-data/", headers: headers)
        #expect(missing.status == 400)
        #expect(missing.text.contains("\(name) header is missing from request."))
    }

    @Test func withoutASecretEveryProxyIsRefused() async throws {
        let world = try await Self.world(secret: "")
        let id = try await world.makeServer()
        let headers = Self.headers(id, signature: MetadataWorld.signature(id, ""))
        let answer = await world.client(at: "127.0.0.1", on: nil).send(.GET, "/latest/meta-data/", headers: headers)
        #expect(answer.status == 403)
    }

    @Test func headersFromInsideANetworkSayNothing() async throws {
        let world = try await Self.world()
        let mine = try await world.makeServer("mine")
        let other = try await world.makeServer("other", project: "p2", at: "10.0.0.9")
        let client = world.client(at: "10.0.0.5", on: world.network)
        let answer = await client.send(
            .GET, "/latest/meta-data/hostname", headers: Self.headers(other, project: "p2"))
        #expect(answer.text == "mine.novalocal")
        _ = mine
    }
}

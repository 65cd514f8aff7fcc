import ComputeModel
import ComputeStore
import Database
import HTTPService
import InstanceMetadata
import Synchronization
import Testing
import WireJSON

@testable import MetadataHTTP

struct MetadataAPITests {
    @Test func aGuestFindsItsOwnDocuments() async throws {
        let world = try await MetadataWorld()
        let id = try await world.makeServer(tag: "front")
        let answer = await world.get("/openstack/latest/meta_data.json")
        #expect(answer.status == 200)
        #expect(answer.headers.first(name: "Content-Type") == "application/json")
        let data = try answer.json()
        #expect(data["uuid"]?.string == "\(id)")
        #expect(data["hostname"] == "demo.novalocal")
        #expect(data["meta"] == ["role": "web"])
        #expect(data["devices"]?[0]?["tags"] == ["front"])
        #expect(await world.get("/openstack/latest/user_data").text == "hello")
        #expect(await world.get("/latest/meta-data/local-ipv4").text == "10.0.0.5")
        #expect(await world.get("/latest/meta-data/public-ipv4").text == "203.0.113.9")
        #expect(await world.get("/latest/meta-data/security-groups").text == "default")
        #expect(await world.get("/latest/meta-data/placement/availability-zone").text == "nova")
        #expect(await world.get("/openstack/latest/").text.hasPrefix("meta_data.json\nuser_data\npassword\n"))
        #expect(await world.get("/openstack/latest/nothing").status == 404)
        let listing = await world.get("/latest/meta-data/")
        #expect(listing.headers.first(name: "Content-Type") == "text/plain; charset=UTF-8")
    }

    @Test func callersWithTheSameAddressOnTwoNetworksAreToldApart() async throws {
        let world = try await MetadataWorld()
        let other = NetworkID.random()
        try await world.makeServer("one")
        try await world.makeServer("two", on: other)
        #expect(await world.get("/latest/meta-data/hostname").text == "one.novalocal")
        let second = await world.client(at: "10.0.0.5", on: other).send(.GET, "/latest/meta-data/hostname")
        #expect(second.text == "two.novalocal")
    }

    @Test func strangersGetTheVersionsAndNothingElse() async throws {
        let world = try await MetadataWorld()
        let id = try await world.makeServer()
        for client in [
            world.client(at: "10.0.0.6", on: world.network), world.client(at: "10.0.0.5", on: nil),
            world.client(at: "10.0.0.5", on: NetworkID.random()),
        ] {
            #expect(await client.send(.GET, "/").text.hasPrefix("1.0\n"))
            #expect(await client.send(.GET, "/latest/meta-data/").status == 404)
            #expect(await client.send(.GET, "/openstack").status == 404)
            let forged = await client.send(
                .GET, "/openstack/latest/meta_data.json",
                headers: [
                    "X-Instance-ID": "\(id)", "X-Tenant-ID": "p1", "X-Forwarded-For": "10.0.0.5",
                    "X-Instance-ID-Signature": MetadataWorld.signature(id, ""),
                ])
            #expect(forged.status == 404)
            #expect(forged.text.contains("The resource could not be found."))
        }
    }

    @Test func deletedServersHaveNoMetadata() async throws {
        let world = try await MetadataWorld()
        let id = try await world.makeServer()
        #expect(await world.get("/latest/meta-data/").status == 200)
        try await world.store.markDeleted(id)
        world.api.invalidate(id)
        #expect(await world.get("/latest/meta-data/").status == 404)
    }

    @Test func documentsAreKeptForAWhileAndSeedsAreNot() async throws {
        let world = try await MetadataWorld()
        let id = try await world.makeServer()
        let first = try await world.get("/openstack/latest/meta_data.json").json()
        try await world.store.changeMetadata(of: id)
        let second = try await world.get("/openstack/latest/meta_data.json").json()
        #expect(second["meta"] == ["role": "web"])
        #expect(second["random_seed"] != first["random_seed"])
        world.clock.advance(.seconds(16))
        let third = try await world.get("/openstack/latest/meta_data.json").json()
        #expect(third["meta"] == ["role": "db"])
    }

    @Test func aChangeIsSeenAtOnceWhenTheServiceIsTold() async throws {
        let world = try await MetadataWorld()
        let id = try await world.makeServer()
        _ = await world.get("/openstack/latest/meta_data.json")
        try await world.store.changeMetadata(of: id)
        world.api.invalidate(id)
        #expect(try await world.get("/openstack/latest/meta_data.json").json()["meta"] == ["role": "db"])
    }

    @Test func onlyGetAndHeadAreServed() async throws {
        let world = try await MetadataWorld()
        try await world.makeServer()
        let client = world.client(at: "10.0.0.5", on: world.network)
        #expect(await client.send(.HEAD, "/latest/meta-data/hostname").status == 200)
        #expect(await client.send(.PUT, "/latest/meta-data/hostname").status == 405)
        // Clients that look for session tokens are told that there are none.
        #expect(await client.send(.PUT, "/latest/api/token").status == 404)
    }

    @Test func aPasswordIsKeptOnce() async throws {
        let world = try await MetadataWorld()
        let id = try await world.makeServer()
        let client = world.client(at: "10.0.0.5", on: world.network)
        let path = "/openstack/latest/password"
        #expect(await client.send(.GET, path).text == "")
        #expect(await client.send(.POST, path, body: Array(repeating: 65, count: 1021)).status == 400)
        #expect(await client.send(.POST, path, body: [0xff, 0xfe]).status == 400)
        #expect(await client.send(.POST, path, body: Array(repeating: 65, count: 1020)).status == 200)
        #expect(await client.send(.POST, path, body: [66]).status == 409)
        #expect(await client.send(.PUT, path, body: [66]).status == 400)
        #expect(await client.send(.GET, path).text == String(repeating: "A", count: 1020))
        #expect(await client.send(.POST, "/openstack/2012-08-10/password", body: [66]).status == 404)
        try await world.store.clearPassword(of: id)
        #expect(await client.send(.GET, path).text == "")
    }

    @Test func theSameDocumentsGoOnDrives() async throws {
        let world = try await MetadataWorld()
        let id = try await world.makeServer()
        let work = try #require(try await world.store.work(on: id))
        let drive = ConfigDriveDocuments(MetadataDocumentOptions()) { Timestamp(seconds: 1_800_000_000) }
        let files = drive.files(work, [], adminPassword: "pw")
        let data = try JSONParser.parse(try #require(files["openstack/latest/meta_data.json"]))
        #expect(data["admin_pass"] == "pw")
        #expect(files["openstack/latest/network_data.json"] == Array("{}".utf8))
        #expect(files["openstack/latest/user_data"] == Array("hello".utf8))
    }
}

extension ComputeStore {
    /// Another value of the sample's metadata.
    func changeMetadata(of id: InstanceID) async throws {
        try await database.transaction { connection in
            try connection.execute("UPDATE instances SET metadata = '{\"role\":\"db\"}' WHERE uuid = \(id)")
        }
    }
}

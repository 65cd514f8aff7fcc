import FoundationEssentials
import HTTPService
import ServiceOptions
import Testing
import WireJSON

/// Key pairs over the API's history.
@Suite struct KeypairTests {
    private static let key = SampleKeys.ssh[3].line

    private func body(_ members: JSONObject = [:]) -> JSONValue {
        var keypair: JSONObject = ["name": "mine", "public_key": .string(Self.key)]
        for (name, value) in members { keypair.set(name, value) }
        return ["keypair": .object(keypair)]
    }

    @Test(arguments: [
        ("2.1", 200, 202), ("2.2", 201, 204), ("2.10", 201, 204), ("2.92", 201, 204), ("2.104", 201, 204),
    ])
    func everyVersionHasItsMembersAndCodes(version: String, made: Int, removed: Int) async throws {
        let api = try await APIFixture.start()
        let type = version == "2.1" ? [] : ["type"]
        let created = await api.send(.POST, "/os-keypairs", version, json: body())
        #expect(created.status == made)
        let listed = ["fingerprint", "name", "public_key"] + type
        #expect(try created.json()["keypair"]?.names == (listed + ["user_id"]).sorted())
        let list = try await api.document(.GET, "/os-keypairs", version)
        #expect(list["keypairs"]?[0]?["keypair"]?.names == listed.sorted())
        let shown = try await api.document(.GET, "/os-keypairs/mine", version)["keypair"]
        #expect(
            shown?.names
                == (listed + ["user_id", "created_at", "deleted", "deleted_at", "id", "updated_at"]).sorted())
        #expect(shown?["id"]?.int == 1)
        #expect(shown?["created_at"]?.string?.utf8.count == 26)
        let gone = await api.send(.DELETE, "/os-keypairs/mine", version)
        #expect(gone.status == removed)
        let missing = await api.send(.GET, "/os-keypairs/mine", version)
        #expect(missing.status == 404)
        #expect(missing.fault == "Keypair mine not found for user user-member")
    }

    @Test(arguments: SampleKeys.ssh)
    func importedKeysHaveTheFingerprintOfTheirTools(line: String, fingerprint: String) async throws {
        let api = try await APIFixture.start()
        let made = try await api.document(
            .POST, "/os-keypairs", "2.2", json: body(["public_key": .string(line)]))["keypair"]
        #expect(made?["fingerprint"]?.string == fingerprint)
        #expect(made?["public_key"]?.string == line)
        #expect(made?["type"] == "ssh")
        #expect(made?["private_key"] == nil)
    }

    @Test func certificatesCanBeImportedFrom2_2() async throws {
        let api = try await APIFixture.start()
        let sent = body(["type": "x509", "public_key": .string(SampleKeys.certificate)])
        #expect(await api.send(.POST, "/os-keypairs", "2.1", json: sent).status == 400)
        let made = try await api.document(.POST, "/os-keypairs", "2.2", json: sent)["keypair"]
        #expect(made?["type"] == "x509")
        #expect(made?["fingerprint"]?.string == SampleKeys.certificateFingerprint)
        let broken = body(["name": "b", "type": "x509", "public_key": "-----BEGIN CERTIFICATE-----\nAAAA"])
        let refused = await api.send(.POST, "/os-keypairs", "2.2", json: broken)
        #expect(refused.status == 400)
        #expect(refused.fault?.hasPrefix("Keypair data is invalid: failed to generate X509 fingerprint.") == true)
    }

    @Test(arguments: [
        "", "ssh-rsa", "ssh-rsa !!!!", "ssh-rsa AAAAB3NzaC1yc2E=",
        key.replacing("ssh-ed25519 ", with: "ssh-rsa "), String(key.dropLast(12)),
    ])
    func whatIsNoKeyIsRefused(line: String) async throws {
        let api = try await APIFixture.start()
        let response = await api.send(.POST, "/os-keypairs", json: body(["public_key": .string(line)]))
        #expect(response.status == 400)
        #expect(response.fault == "Keypair data is invalid: failed to generate fingerprint")
    }

    @Test func keysAreMadeUpTo2_91() async throws {
        let api = try await APIFixture.start()
        let sent: JSONValue = ["keypair": ["name": "fresh"]]
        #expect(await api.send(.POST, "/os-keypairs", "2.92", json: sent).status == 400)
        let made = try await api.document(.POST, "/os-keypairs", "2.91", json: sent)["keypair"]
        let privateKey = try #require(made?["private_key"]?.string)
        #expect(privateKey.hasPrefix("-----BEGIN OPENSSH PRIVATE KEY-----\n"))
        let publicKey = try #require(made?["public_key"]?.string)
        #expect(publicKey.hasPrefix("ssh-ed25519 "))
        // The private file holds the public key too.
        let lines = privateKey.split(separator: "\n").dropFirst().dropLast()
        let file = try #require(Data(base64Encoded: lines.joined()))
        let blob = try #require(Data(base64Encoded: String(publicKey.split(separator: " ")[1])))
        #expect(file.starts(with: Array("openssh-key-v1".utf8) + [0]))
        #expect(Array(file).firstRange(of: Array(blob)) != nil)
        let certificate: JSONValue = ["keypair": ["name": "c", "type": "x509"]]
        #expect(await api.send(.POST, "/os-keypairs", "2.2", json: certificate).status == 400)
    }

    @Test(arguments: [
        ("a b-c_1", "2.1", 200), ("a@b.c", "2.91", 400), ("a@b.c", "2.92", 201), ("a/b", "2.92", 400),
        (" a", "2.1", 400), ("", "2.1", 400), (String(repeating: "a", count: 256), "2.1", 400),
    ])
    func namesFollowRules(name: String, version: String, status: Int) async throws {
        let api = try await APIFixture.start()
        let response = await api.send(.POST, "/os-keypairs", version, json: body(["name": .string(name)]))
        #expect(response.status == status)
    }

    @Test func namesAreUniquePerUserAndCounted() async throws {
        let api = try await APIFixture.start { $0.quota.keyPairs = 2 }
        #expect(await api.send(.POST, "/os-keypairs", json: body()).status == 200)
        let again = await api.send(.POST, "/os-keypairs", json: body())
        #expect(again.status == 409)
        #expect(again.fault == "Key pair 'mine' already exists.")
        #expect(await api.send(.POST, "/os-keypairs", as: .stranger, json: body()).status == 200)
        #expect(await api.send(.POST, "/os-keypairs", json: body(["name": "second"])).status == 200)
        let third = await api.send(.POST, "/os-keypairs", json: body(["name": "third"]))
        #expect(third.status == 403)
        #expect(third.fault == "Quota exceeded, too many key pairs.")
    }

    @Test func administratorsManageThoseOfOthersFrom2_10() async throws {
        let api = try await APIFixture.start()
        let sent = body(["user_id": "user-member"])
        #expect(await api.send(.POST, "/os-keypairs", "2.9", as: .admin, json: sent).status == 400)
        #expect(await api.send(.POST, "/os-keypairs", "2.10", as: .stranger, json: sent).status == 403)
        #expect(await api.send(.POST, "/os-keypairs", "2.10", as: .admin, json: sent).status == 201)
        #expect(await api.send(.GET, "/os-keypairs/mine", "2.10").status == 200)
        #expect(await api.send(.GET, "/os-keypairs/mine", "2.10", as: .admin).status == 404)
        #expect(await api.send(.GET, "/os-keypairs/mine?user_id=user-member", "2.9", as: .admin).status == 404)
        #expect(await api.send(.GET, "/os-keypairs/mine?user_id=user-member", "2.10", as: .admin).status == 200)
        #expect(await api.send(.GET, "/os-keypairs?user_id=user-member", "2.10", as: .reader).status == 403)
        #expect(await api.send(.GET, "/os-keypairs?color=red", "2.75").status == 400)
        #expect(await api.send(.DELETE, "/os-keypairs/mine?user_id=user-member", "2.10", as: .admin).status == 204)
    }

    @Test func pagesExistFrom2_35() async throws {
        let api = try await APIFixture.start()
        for name in ["c", "a", "b"] {
            _ = await api.send(.POST, "/os-keypairs", json: body(["name": .string(name)]))
        }
        #expect(try await api.document(.GET, "/os-keypairs?limit=1", "2.34")["keypairs"]?.array?.count == 3)
        let page = try await api.document(.GET, "/os-keypairs?limit=2", "2.35")
        #expect(page["keypairs"]?.array?.map { $0["keypair"]?["name"]?.string } == ["a", "b"])
        #expect(
            page["keypairs_links"]
                == [["rel": "next", "href": "http://127.0.0.1:80/v2.1/os-keypairs?limit=2&marker=b"]])
        let last = try await api.document(.GET, "/os-keypairs?limit=2&marker=b", "2.35")
        #expect(last["keypairs"]?.array?.count == 1)
        #expect(last["keypairs_links"] == nil)
        let lost = await api.send(.GET, "/os-keypairs?marker=x", "2.35")
        #expect(lost.status == 400)
        #expect(lost.fault == "Marker x could not be found.")
    }
}

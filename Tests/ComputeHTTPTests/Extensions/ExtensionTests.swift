import HTTPService
import Testing
import WireJSON

/// The list of extensions.
@Suite struct ExtensionTests {
    @Test func extensionsAreListedByAlias() async throws {
        let api = try await APIFixture.start()
        let list = try await api.document(.GET, "/extensions", as: .reader)["extensions"]
        #expect(list?.array?.count == 99)
        #expect(list?[0]?.names == ["alias", "description", "links", "name", "namespace", "updated"])
        let shown = try await api.document(.GET, "/extensions/os-keypairs")["extension"]
        #expect(shown?["name"] == "Keypairs")
        #expect(shown?["updated"] == "2014-12-03T00:00:00Z")
        #expect(await api.send(.GET, "/extensions/os-nothing").status == 404)
        #expect(await api.send(.GET, "/extensions?a=b", "2.102").status == 400)
    }

    @Test func thereIsOneMoreBelowTheOldPath() async throws {
        let api = try await APIFixture.start()
        let headers: HTTPHeaders = ["X-Auth-Token": "member"]
        let old = await api.http.send(.GET, "/v2/extensions/OS-EXT-VIF-NET", headers: headers)
        #expect(old.status == 200)
        #expect(await api.send(.GET, "/extensions/OS-EXT-VIF-NET").status == 404)
    }
}

import HTTPService
import Testing
import WireJSON

/// Host aggregates: an empty list, for administrators.
@Suite struct AggregateTests {
    @Test func theListIsEmptyAndForAdministrators() async throws {
        let api = try await APIFixture.start()
        #expect(try await api.document(.GET, "/os-aggregates", as: .admin) == ["aggregates": []])
        #expect(await api.send(.GET, "/os-aggregates").status == 403)
    }
}

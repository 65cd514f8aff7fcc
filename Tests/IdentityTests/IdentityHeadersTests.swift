import Identity
import Testing

@Suite struct IdentityHeadersTests {
    @Test(arguments: [
        "X-User-Id", "x-project-id", "X-Roles", "X-Role", "X_Roles", "X-Service-Roles", "X-Identity-Status",
        "X-Is-Admin-Project", "X-OpenStack-System-Scope", "X-Domain-Id", "X-Tenant-Name", "X_Auth_Token",
        "X-User-Domain-Name", "X-Service-Catalog", "X-Service-User-Id",
    ])
    func headersThatClaimAnIdentityAreForgeable(name: String) {
        #expect(IdentityHeaders.isForgeable(name))
    }

    @Test(arguments: [
        "X-Auth-Token", "X-Service-Token", "X-OpenStack-Request-ID", "X-OpenStack-Nova-API-Version", "Accept",
        "Content-Type", "X-Forwarded-For", "X-Instance-ID", "OpenStack-API-Version", "User-Agent",
    ])
    func othersStay(name: String) {
        #expect(!IdentityHeaders.isForgeable(name))
    }

    @Test func aContextDoesNotShowItsToken() {
        let context = RequestContext(token: facts(roles: ["member"]), authToken: "secret-token", requestID: "req-1")
        #expect(!"\(context)".contains("secret-token"))
        var dumped = ""
        dump(context, to: &dumped)
        #expect(!dumped.contains("secret-token"))
    }
}

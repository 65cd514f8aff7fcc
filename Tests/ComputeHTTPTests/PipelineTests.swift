import HTTPService
import PeerClients
import ServiceOptions
import Testing
import WireJSON

/// What happens to a request before its operation.
@Suite struct PipelineTests {
    @Test func versionsAreToldToEverybody() async throws {
        let api = try await APIFixture.start()
        let list = await api.http.send(.GET, "/")
        #expect(list.status == 200)
        let versions = try list.json()["versions"]?.array ?? []
        #expect(versions.map { $0["id"]?.string } == ["v2.0", "v2.1"])
        #expect(versions[1]["version"] == "2.104")
        #expect(versions[1]["min_version"] == "2.1")
        #expect(versions[1]["links"]?[0]?["href"] == "http://127.0.0.1:80/v2.1/")

        let current = await api.http.send(.GET, "/v2.1/")
        #expect(current.status == 200)
        #expect(try current.json()["version"]?["status"] == "CURRENT")
        #expect(try current.json()["version"]?["links"]?.array?.count == 2)
        #expect(current.headers.first(name: "OpenStack-API-Version") == "compute 2.1")
        #expect(try await api.http.send(.GET, "/v2").json()["version"]?["id"] == "v2.0")
        #expect(await api.http.send(.GET, "/elsewhere").status == 300)
        let refused = await api.http.send(.GET, "/v2.1", headers: ["OpenStack-API-Version": "compute 2.999"])
        #expect(refused.status == 406)
    }

    @Test func linksBeginWithTheConfiguredPrefix() async throws {
        let api = try await APIFixture.start { $0.api.computeLinkPrefix = "https://cloud.example/api/" }
        let list = try await api.http.send(.GET, "/").json()
        #expect(list["versions"]?[1]?["links"]?[0]?["href"] == "https://cloud.example/api/v2.1/")
    }

    @Test func aCallerNeedsAToken() async throws {
        let api = try await APIFixture.start()
        for headers: HTTPHeaders in [[:], ["X-Auth-Token": "forged"], ["X-Auth-Token": ""]] {
            let response = await api.http.send(.GET, "/v2.1/servers", headers: headers)
            #expect(response.status == 401)
            #expect(response.headers.first(name: "WWW-Authenticate")?.hasPrefix("Keystone") == true)
            #expect(try response.json()["error"]?["title"] == "Unauthorized")
        }
        #expect(await api.send(.GET, "/servers").status == 200)
    }

    @Test func everyAnswerNamesItsRequest() async throws {
        let api = try await APIFixture.start()
        for path in ["/", "/v2.1/servers", "/v2.1/nowhere"] {
            let response = await api.http.send(.GET, path, headers: ["X-Auth-Token": "member"])
            let id = response.headers.first(name: "x-openstack-request-id")
            #expect(id?.hasPrefix("req-") == true)
            #expect(response.headers.first(name: "x-compute-request-id") == id)
        }
    }

    @Test(arguments: [
        ("2.1", 200), ("2.104", 200), ("latest", 200), ("2.0", 406), ("2.105", 406), ("3.1", 406), ("two", 400),
        ("2.01", 400),
    ])
    func microversionsAreNegotiated(version: String, status: Int) async throws {
        let api = try await APIFixture.start()
        let response = await api.send(.GET, "/servers", version)
        #expect(response.status == status)
        guard status == 200 else { return }
        let spoken = version == "latest" ? "2.104" : version
        #expect(response.headers.first(name: "OpenStack-API-Version") == "compute \(spoken)")
        #expect(response.headers.first(name: "X-OpenStack-Nova-API-Version") == spoken)
        #expect(
            response.headers[canonicalForm: "Vary"] == ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"])
    }

    @Test func theOldPathHasNoMicroversionsAndOverlooksUnknownMembers() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let id = try await api.builtServer(ground)
        let response = await api.http.send(
            .PUT, "/v2/servers/\(id)",
            headers: ["X-Auth-Token": "member", "OpenStack-API-Version": "compute 2.90"],
            json: ["server": ["name": "renamed", "colour": "blue"]])
        #expect(response.status == 200)
        #expect(response.headers.first(name: "OpenStack-API-Version") == nil)
        #expect(try response.json()["server"]?["description"] == nil)
        #expect(await api.send(.PUT, "/servers/\(id)", json: ["server": ["colour": "blue"]]).status == 400)
    }

    @Test func theProjectInThePathMustBeTheCallers() async throws {
        let api = try await APIFixture.start()
        #expect(await api.send(.GET, "/\(APIFixture.project)/servers").status == 200)
        let wrong = await api.send(.GET, "/\(APIFixture.otherProject)/servers")
        #expect(wrong.status == 400)
        #expect(
            wrong.fault == "Malformed request URL: URL's project_id '\(APIFixture.otherProject)' doesn't match "
                + "Context's project_id '\(APIFixture.project)'")
    }

    @Test func unknownPathsAndMethodsAreNotFound() async throws {
        let api = try await APIFixture.start()
        for (method, path) in [(HTTPMethod.GET, "/nowhere"), (.PATCH, "/servers"), (.GET, "/servers/x/action")] {
            let response = await api.send(method, path)
            #expect(response.status == 404)
            #expect(try response.json()["message"]?.string?.contains("could not be found") == true)
        }
        // An operation of another microversion does not exist either.
        let early = await api.send(.GET, "/servers/\(APIFixture.project)/tags", "2.25")
        #expect(early.status == 404)
        #expect(early.faultName == "itemNotFound")
        #expect(early.fault == "The resource could not be found.")
    }

    @Test func bodiesAreRefusedForWhatTheyAre() async throws {
        let api = try await APIFixture.start()
        func post(_ path: String, _ body: String, _ type: String = "application/json") async -> InMemoryResponse {
            let headers: HTTPHeaders = ["X-Auth-Token": "member", "Content-Type": type]
            return await api.http.send(.POST, "/v2.1\(path)", headers: headers, body: Array(body.utf8))
        }
        let media = await post("/servers", "<server/>", "application/xml")
        #expect(media.status == 415)
        #expect(media.faultName == "badMediaType")
        let malformed = await post("/servers", "{")
        #expect(malformed.status == 400)
        #expect(malformed.fault == "Malformed request body")
        #expect(await post("/servers", "{\"server\": 1}").status == 400)
        #expect(await post("/servers", "").fault == "None is not of type 'object'")
        let large = await post("/servers", String(repeating: " ", count: 114_689))
        #expect(large.status == 413)
        #expect(large.faultName == "overLimit")
        let unknown = await post("/servers/x/action", "{\"pause\": null}")
        #expect(unknown.status == 400)
        #expect(unknown.fault == "There is no such action: pause")
        #expect(await post("/servers/x/action", "{\"lock\": null, \"unlock\": null}").fault == "Malformed request body")
        #expect(await post("/servers/x/action", "").fault == "Malformed request body")
        #expect(await post("/servers/x/action", "[]").status == 404)
    }

    @Test func unknownQueryParametersAreRefusedFromTheLastVersionOn() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        #expect(await api.send(.GET, "/servers/\(id)?colour=blue", "2.101").status == 200)
        let refused = await api.send(.GET, "/servers/\(id)?colour=blue", "2.102")
        #expect(refused.status == 400)
        #expect(refused.fault == "Additional properties are not allowed ('colour' was unexpected)")
    }

    @Test func peersThatDoNotAnswerAreNotTheCallersFault() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        api.images.fail(.unreachable(service: "image", reason: "refused"))
        let response = await api.create(ground)
        #expect(response.status == 503)
        #expect(response.faultName == "serviceUnavailable")
        api.images.fail(.malformed(service: "image", reason: "secret detail"))
        let defect = await api.create(ground)
        #expect(defect.status == 500)
        #expect(defect.faultName == "computeFault")
        #expect(!defect.text.contains("secret"))
    }
}

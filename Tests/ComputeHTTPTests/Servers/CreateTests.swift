import ComputeModel
import ComputeStore
import Database
import HTTPService
import Messaging
import ServiceInterfaces
import ServiceOptions
import Testing
import WireJSON

/// Making servers: what is stored, what is answered, what is refused.
@Suite struct CreateTests {
    @Test func aServerIsStoredWithTheWorkThatBuildsIt() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let response = await api.create(ground, "2.1", .member, ["adminPass": "secret"])
        #expect(response.status == 202)
        let server = try response.json()["server"] ?? .null
        #expect(server.names == ["OS-DCF:diskConfig", "adminPass", "id", "links", "security_groups"])
        #expect(server["adminPass"] == "secret")
        #expect(server["OS-DCF:diskConfig"] == "MANUAL")
        #expect(server["security_groups"] == [["name": "default"]])
        let id = try #require(server["id"]?.string.flatMap { InstanceID($0) })
        #expect(response.headers.first(name: "Location") == "http://127.0.0.1:80/v2.1/servers/\(id)")

        let stored = try #require(try await api.store.instance(id))
        #expect(stored.status == InstanceStatus(vm: .building, task: .scheduling))
        #expect(stored.hostname == "web")
        #expect(stored.description == "web")
        let actions = try await api.store.actions(of: id)
        #expect(actions.map(\.action) == ["create"])
        #expect(actions.first?.requestID == response.headers.first(name: "x-openstack-request-id"))

        let (name, parameters) = try await saga(of: id, api)
        #expect(name == SagaName.build)
        let build = try StoredJSON.decode(BuildInstanceRequest.self, parameters)
        #expect(build.instance == id)
        #expect(build.networks == .list([RequestedInterface(network: ground.network)]))
        #expect(build.adminPassword == "secret")
        let work = try #require(try await api.store.work(on: id))
        let spec = try StoredJSON.decode(RequestSpec.self, work.specJSON)
        #expect(spec.flavor.memoryMiB == 512)
        #expect(spec.image?.id == ground.image)
    }

    private func saga(of id: InstanceID, _ api: APIFixture) async throws -> (String, String) {
        let found = try await api.store.database.read { connection in
            try connection.first("SELECT name, parameters FROM sagas WHERE subject = \(id.description)") {
                (try $0.string(0), String(decoding: try $0.blob(1), as: UTF8.self))
            }
        }
        return try #require(found)
    }

    @Test func conductorsAreTold() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let (stream, told) = AsyncStream<[UUIDValue]>.makeStream()
        let subscription = try await api.bus.serve(
            topic: Topic.conductor,
            [
                RPCHandler { (message: WakeSagas, _) in
                    told.yield(message.sagas)
                    return Acknowledged()
                }
            ])
        #expect(await api.create(ground, "2.1", .member, ["max_count": 3]).status == 202)
        var iterator = stream.makeAsyncIterator()
        #expect(await iterator.next()?.count == 3)
        await subscription.stop()
    }

    @Test func severalServersGetNumberedNames() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let response = await api.create(
            ground, "2.1", .member,
            ["name": "My Web_1", "min_count": "2", "max_count": 3, "return_reservation_id": true])
        #expect(response.status == 202)
        let reservation = try #require(try response.json()["reservation_id"]?.string)
        let servers = try await api.store.instances(
            InstanceQuery(conditions: [.reservation(reservation)], order: [(.launchIndex, true)]))
        #expect(servers.map(\.name) == ["My Web_1-1", "My Web_1-2", "My Web_1-3"])
        #expect(servers.map(\.hostname) == ["my-web-1-1", "my-web-1-2", "my-web-1-3"])
        #expect(servers.map(\.launchIndex) == [0, 1, 2])
    }

    @Test(arguments: [
        ("web", "web"), ("Web Server", "web-server"), ("a.b_c", "a-b-c"), ("..x..", "x"), ("日本", nil),
        ("über", "über"), (String(repeating: "n", count: 80), String(repeating: "n", count: 63)),
    ] as [(String, String?)])
    func hostNamesAreMadeFromNames(name: String, wanted: String?) async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let id = try #require(
            try await api.create(ground, "2.1", .member, ["name": .string(name)]).json()["server"]?["id"]?.string
                .flatMap { InstanceID($0) })
        #expect(try await api.store.instance(id)?.hostname == wanted ?? "Server-\(id)")
    }

    // MARK: Quota

    @Test func theQuotaIsKept() async throws {
        let api = try await APIFixture.start { $0.quota.instances = 2 }
        let ground = try await api.ground()
        #expect(await api.create(ground).status == 202)
        let tooMany = await api.create(ground, "2.1", .member, ["min_count": 2])
        #expect(tooMany.status == 403)
        #expect(tooMany.faultName == "forbidden")
        #expect(
            tooMany.fault == "Quota exceeded for instances: Requested 2, but already used 1 of 2 instances")
        // As many as fit, when that is enough.
        #expect(await api.create(ground, "2.1", .member, ["min_count": 1, "max_count": 5]).status == 202)
        #expect(try await api.store.usage(ofProject: APIFixture.project).instances == 2)
        #expect(
            await api.create(ground).fault
                == "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances")
    }

    @Test func coresAndMemoryAreCounted() async throws {
        let api = try await APIFixture.start { ($0.quota.cores, $0.quota.ramMiB) = (1, 512) }
        let ground = try await api.ground()
        #expect(await api.create(ground).status == 202)
        #expect(
            await api.create(ground).fault
                == "Quota exceeded for cores, ram: Requested 1, 512, but already used 1, 512 of 1, 512 cores, ram")
        try await api.store.setQuotas(["cores": -1, "ram": -1], ofProject: APIFixture.project)
        #expect(await api.create(ground).status == 202)
    }

    @Test func metadataHasALimit() async throws {
        let api = try await APIFixture.start { $0.quota.metadataItems = 1 }
        let ground = try await api.ground()
        let response = await api.create(ground, "2.1", .member, ["metadata": ["a": "1", "b": "2"]])
        #expect(response.status == 403)
        #expect(response.fault == "Maximum number of metadata items exceeds 1")
    }

    // MARK: Networks

    @Test func withoutAWishTheOnlyNetworkIsTaken() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let response = await api.create(ground, "2.1", without: ["networks"])
        let id = try #require(try response.json()["server"]?["id"]?.string.flatMap { InstanceID($0) })
        let build = try StoredJSON.decode(BuildInstanceRequest.self, try await saga(of: id, api).1)
        #expect(build.networks == .list([RequestedInterface(network: ground.network)]))
        try api.networks.addNetwork(project: "x", ["shared": true])
        let ambiguous = await api.create(ground, "2.1", without: ["networks"])
        #expect(ambiguous.status == 409)
        #expect(ambiguous.fault == "Multiple possible networks found, use a Network ID to be more specific.")
        #expect(await api.create(ground, "2.37", .member, ["networks": "auto"]).status == 409)
        #expect(await api.create(ground, "2.37", .member, ["networks": "none"]).status == 202)
        #expect(await api.create(ground, "2.36", .member, ["networks": "none"]).status == 400)
        #expect(await api.create(ground, "2.37", without: ["networks"]).status == 400)
    }

    @Test func withoutANetworkThereIsNoInterface() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let response = await api.create(ground, "2.1", .stranger, without: ["networks"])
        let id = try #require(try response.json()["server"]?["id"]?.string.flatMap { InstanceID($0) })
        let build = try StoredJSON.decode(BuildInstanceRequest.self, try await saga(of: id, api).1)
        #expect(build.networks == .none)
    }

    @Test func networksAndPortsMustBeUsable() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        func fault(_ networks: JSONValue, _ version: String = "2.1", _ more: JSONObject = [:]) async -> String {
            var members = more
            members.set("networks", networks)
            let response = await api.create(ground, version, .member, members)
            return "\(response.status) \(response.fault ?? "")"
        }
        let lost = NetworkID.random()
        #expect(await fault([["uuid": .string("\(lost)")]]) == "400 Network \(lost) could not be found.")
        #expect(
            await fault([["uuid": "private"]])
                == "400 Bad networks format: network uuid is not in proper format (private)")
        #expect(await fault([[:]]) == "400 Bad network format: missing 'uuid'")
        let bare = try api.networks.addNetwork(project: APIFixture.project, ["subnets": []])
        #expect(
            await fault([["uuid": .string("\(bare)")]])
                == "400 Network \(bare) requires a subnet in order to boot instances on.")
        let outside = try api.networks.addNetwork(project: APIFixture.project, ["router:external": true])
        #expect(
            await fault([["uuid": .string("\(outside)")]])
                == "403 It is not allowed to create an interface on external network \(outside)")
        let busy = try api.networks.addPort(["device_id": "someone"])
        #expect(await fault([["port": .string("\(busy)")]]) == "409 Port \(busy) is still in use.")
        let empty = try api.networks.addPort(["fixed_ips": []])
        #expect(
            await fault([["port": .string("\(empty)")]])
                == "400 Port \(empty) requires a FixedIP in order to be used.")
        let free = try api.networks.addPort()
        #expect(
            await fault([["port": .string("\(free)")], ["port": .string("\(free)")]]).hasPrefix(
                "400 Port ID '\(free)' was specified twice"))
        #expect(
            await fault([["port": .string("\(free)")]], "2.1", ["max_count": 2]).hasPrefix(
                "400 Failed to launch instances: Unable to launch multiple instances with a single configured port"))
        #expect(
            await fault([["port": .string("\(free)"), "fixed_ip": "10.0.0.9"]]).hasPrefix(
                "400 Specified Fixed IP '10.0.0.9' cannot be used"))
        #expect(await fault([["uuid": .string("\(ground.network)"), "tag": "nic"]], "2.31").hasPrefix("400"))
        #expect(await fault([["uuid": .string("\(ground.network)"), "tag": "nic"]], "2.32").hasPrefix("202"))
        #expect(await fault([["uuid": .string("\(ground.network)"), "tag": "nic"]], "2.41").hasPrefix("400"))
        #expect(await fault([["uuid": .string("\(ground.network)"), "tag": "nic"]], "2.42").hasPrefix("202"))
    }

    @Test func securityGroupsAreFoundByName() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let web = try api.networks.addGroup("web", project: APIFixture.project)
        let response = await api.create(
            ground, "2.1", .member, ["security_groups": [["name": "web"], ["name": "default"]]])
        #expect(try response.json()["server"]?["security_groups"] == [["name": "web"], ["name": "default"]])
        let id = try #require(try response.json()["server"]?["id"]?.string.flatMap { InstanceID($0) })
        let build = try StoredJSON.decode(BuildInstanceRequest.self, try await saga(of: id, api).1)
        #expect(build.securityGroups == [web.description, "default"])
        #expect(
            await api.create(ground, "2.1", .member, ["security_groups": [["name": "none"]]]).fault
                == "Security group none not found.")
        try api.networks.addGroup("web", project: APIFixture.project)
        #expect(await api.create(ground, "2.1", .member, ["security_groups": [["name": "web"]]]).status == 409)
    }

    // MARK: Refusals

    @Test func whatIsNamedMustExist() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        func fault(_ members: JSONObject, _ version: String = "2.1", without: [String] = []) async -> String {
            let response = await api.create(ground, version, .member, members, without: without)
            return "\(response.status) \(response.fault ?? "")"
        }
        #expect(await fault(["flavorRef": "none"]) == "400 Flavor none could not be found.")
        #expect(await fault(["flavorRef": "http://x/v2/flavors/1"]) == "202 ")
        #expect(await fault(["imageRef": .string(ImageID.random().description)]) == "400 Can not find requested image")
        #expect(await fault([:], without: ["imageRef"]) == "400 Missing imageRef attribute")
        #expect(await fault(["imageRef": ""]) == "400 Missing imageRef attribute")
        #expect(await fault(["key_name": "none"]) == "400 Invalid key_name provided.")
        #expect(
            await fault(["availability_zone": "mars"]) == "400 The requested availability zone is not available")
        #expect(await fault(["min_count": 2, "max_count": 1]) == "400 min_count must be <= max_count")
        #expect(
            await fault(["hostname": "web", "max_count": 2, "networks": "none"], "2.90")
                == "400 Unable to allocate a single hostname to multiple instances")
        #expect(
            await fault(["personality": [["path": "/etc/motd", "contents": "aGk="]]])
                == "400 File injection is not supported.")
        #expect(await fault(["personality": []], "2.56").hasPrefix("202"))
        #expect(await fault(["personality": []], "2.57").hasPrefix("400"))
        #expect(
            await fault(["trusted_image_certificates": ["a"], "networks": "none"], "2.63")
                == "400 Image signature certificate validation is not supported.")
        #expect(await fault(["user_data": "not base64!"]).hasPrefix("400"))
        #expect(await fault(["tags": ["a,b"], "networks": "none"], "2.52").hasPrefix("400"))
        #expect(await fault(["name": ""]).hasPrefix("400"))
        #expect(await fault(["colour": "blue"]).hasPrefix("400"))
    }

    @Test func volumesAreRefusedHonestly() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        func status(_ devices: JSONValue, _ name: String = "block_device_mapping_v2") async -> String {
            let response = await api.create(ground, "2.1", .member, JSONObject([(name, devices)]))
            return "\(response.status) \(response.fault ?? "")"
        }
        let image = JSONValue.string(ground.image.description)
        let root: JSONValue = [
            "boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "local",
            "delete_on_termination": true,
        ]
        #expect(await status([root]) == "202 ")
        let volume: JSONValue = ["boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "volume"]
        #expect(await status([volume]) == "400 Volumes are not supported yet")
        #expect(await status([["device_name": "vda"]], "block_device_mapping") == "400 Volumes are not supported yet")
        #expect(await status([["source_type": "blank", "destination_type": "local"]]).hasPrefix("400"))
    }

    @Test func imagesMustFitTheFlavor() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        func fault(_ image: JSONObject) async throws -> String {
            let id = try api.images.add(image)
            let response = await api.create(ground, "2.1", .member, ["imageRef": .string(id.description)])
            return "\(response.status) \(response.fault ?? "")"
        }
        #expect(try await fault(["min_ram": 1024]) == "400 Flavor's memory is too small for requested image.")
        #expect(
            try await fault(["size": 2_000_000_000])
                == "400 Flavor's disk is too small for requested image. Flavor disk is 1073741824 bytes, "
                + "image is 2000000000 bytes.")
        #expect(
            try await fault(["min_disk": 2]).hasPrefix(
                "400 Flavor's disk is smaller than the minimum size specified in image metadata."))
        #expect(try await fault(["status": "queued"]).hasSuffix("is not active."))
        _ = try await api.store.create(
            FlavorRecord(flavorID: "zero", name: "zero", vcpus: 1, memoryMiB: 64, rootGiB: 0))
        let zero = await api.create(ground, "2.1", .member, ["flavorRef": "zero"])
        #expect(zero.status == 403)
        #expect(zero.fault == "Only volume-backed servers are allowed for flavors with zero disk.")
        #expect(await api.create(ground, "2.1", .admin, ["flavorRef": "zero"]).status == 202)
    }

    @Test func privateFlavorsAreForThoseWithAccess() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        _ = try await api.store.create(
            FlavorRecord(flavorID: "p", name: "p", vcpus: 1, memoryMiB: 64, rootGiB: 1, isPublic: false))
        #expect(await api.create(ground, "2.1", .member, ["flavorRef": "p"]).status == 400)
        #expect(await api.create(ground, "2.1", .admin, ["flavorRef": "p"]).status == 202)
    }

    @Test func onlyAdministratorsChooseTheHost() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        try await api.store.heartbeat(binary: "nova-compute", host: "node1", topic: "compute", version: 1, trouble: nil)
        #expect(await api.create(ground, "2.1", .member, ["availability_zone": "nova"]).status == 202)
        // A colon in a name of a zone is how a host is named; names with colons are refused before 2.1 only.
        let member = await api.create(ground, "2.1", .member, ["availability_zone": "nova:node1"])
        #expect(member.status == 403)
        #expect(
            member.fault == "Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.")
        #expect(await api.create(ground, "2.1", .admin, ["availability_zone": "nova:node1:node1.local"]).status == 202)
        #expect(
            await api.create(ground, "2.1", .admin, ["availability_zone": "a:b:c:d"]).fault
                == "Invalid input received: Unable to parse availability_zone")
        let asked = await api.create(ground, "2.74", .member, ["host": "node1"])
        #expect(
            asked.fault == "Policy doesn't allow compute:servers:create:requested_destination to be performed.")
        #expect(
            await api.create(ground, "2.74", .admin, ["host": "nowhere"]).fault
                == "Compute host nowhere could not be found.")
    }

    @Test func readersMayNotCreate() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let response = await api.create(ground, "2.1", .reader)
        #expect(response.status == 403)
        #expect(response.fault == "Policy doesn't allow os_compute_api:servers:create to be performed.")
    }

    @Test func passwordsAreShownUnlessTurnedOff() async throws {
        let api = try await APIFixture.start { $0.api.showsInstancePassword = false }
        let ground = try await api.ground()
        #expect(try await api.create(ground).json()["server"]?["adminPass"] == nil)
        let open = try await APIFixture.start()
        let other = try await open.ground()
        #expect(try await open.create(other).json()["server"]?["adminPass"]?.string?.count == 12)
    }

    @Test func hintsAreKept() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let other = InstanceID.random().description
        let response = await api.create(
            ground, "2.1", around: ["os:scheduler_hints": ["same_host": .string(other), "_nova_check_type": ["x"]]])
        let id = try #require(try response.json()["server"]?["id"]?.string)
        let shown = try await api.document(.GET, "/servers/\(id)", "2.100")["server"]?["scheduler_hints"]
        #expect(shown == ["same_host": [.string(other)]])
        let group = await api.create(ground, "2.1", around: ["os:scheduler_hints": ["group": .string(other)]])
        #expect(group.fault == "Instance group \(other) could not be found.")
    }
}

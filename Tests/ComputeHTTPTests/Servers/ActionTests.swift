import ComputeModel
import ComputeStore
import HTTPService
import Messaging
import ServiceInterfaces
import Testing
import WireJSON

/// What is done with servers that exist.
@Suite struct ActionTests {
    private func act(
        _ api: APIFixture, _ id: InstanceID, _ body: JSONValue, _ version: String = "2.1", as caller: Caller = .member
    ) async -> InMemoryResponse {
        await api.send(.POST, "/servers/\(id)/action", version, as: caller, json: body)
    }

    @Test func aRunningServerIsStoppedOnce() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let response = await act(api, id, ["os-stop": .null])
        #expect(response.status == 202)
        #expect(response.body.isEmpty)
        #expect(try await api.store.instance(id)?.status == InstanceStatus(vm: .active, task: .poweringOff))
        let again = await act(api, id, ["os-stop": .null])
        #expect(again.status == 409)
        #expect(again.faultName == "conflictingRequest")
        #expect(again.fault == "Cannot 'stop' instance \(id) while it is in task_state powering-off")
        #expect(try await api.store.actions(of: id).map(\.action) == ["stop", "create"])
    }

    @Test(arguments: [
        ("{\"os-start\": null}", "start"), ("{\"reboot\": {\"type\": \"SOFT\"}}", "reboot"),
    ])
    func stateDecides(body: String, verb: String) async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        try await api.store.finishOperation(
            on: id, vm: verb == "start" ? .active : .stopped, power: .running, expecting: nil)
        let response = await act(api, id, try JSONParser.parse(Array(body.utf8)))
        #expect(response.status == 409)
        let state = verb == "start" ? "active" : "stopped"
        #expect(response.fault == "Cannot '\(verb)' instance \(id) while it is in vm_state \(state)")
    }

    @Test func rebootsAreSoftOrHard() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let soft = try await api.builtServer(ground)
        #expect(await act(api, soft, ["reboot": ["type": "soft"]]).status == 202)
        #expect(try await api.store.instance(soft)?.status.task == .rebooting)
        // A hard reboot interrupts a soft one.
        #expect(await act(api, soft, ["reboot": ["type": "HARD"]]).status == 202)
        #expect(try await api.store.instance(soft)?.status.task == .rebootingHard)
        #expect(await act(api, soft, ["reboot": ["type": "warm"]]).status == 400)
        #expect(await act(api, soft, ["reboot": .null]).status == 400)
    }

    @Test func deletionIsAcceptedAtAnyTimeAndOnce() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let created = await api.create(ground)
        let id = try #require(try created.json()["server"]?["id"]?.string.flatMap { InstanceID($0) })
        let response = await api.send(.DELETE, "/servers/\(id)")
        #expect(response.status == 204)
        #expect(try await api.store.instance(id)?.status.task == .deleting)
        #expect(await api.send(.DELETE, "/servers/\(id)").status == 204)
        #expect(try await api.store.actions(of: id).map(\.action) == ["delete", "create"])
        try await api.store.markDeleted(id)
        let gone = await api.send(.DELETE, "/servers/\(id)")
        #expect(gone.status == 404)
    }

    @Test func locksKeepOthersOut() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        #expect(await act(api, id, ["lock": ["locked_reason": "mine"]], "2.73").status == 202)
        let shown = try await api.document(.GET, "/servers/\(id)", "2.73")["server"]
        #expect(shown?["locked"] == true)
        #expect(shown?["locked_reason"] == "mine")
        for response in [
            await act(api, id, ["os-stop": .null]), await api.send(.DELETE, "/servers/\(id)"),
            await api.send(.POST, "/servers/\(id)/metadata", json: ["metadata": ["a": "b"]]),
        ] {
            #expect(response.status == 409)
            #expect(response.fault == "Instance \(id) is locked")
        }
        #expect(await act(api, id, ["os-stop": .null], as: .admin).status == 202)
        #expect(await act(api, id, ["unlock": .null]).status == 202)
        #expect(try await api.document(.GET, "/servers/\(id)", "2.9")["server"]?["locked"] == false)
        #expect(await act(api, id, ["lock": ["locked_reason": ""]], "2.73").status == 400)
        #expect(try await api.store.actions(of: id).map(\.action).prefix(3) == ["unlock", "stop", "lock"])
    }

    @Test func anAdministratorsLockIsNotTheOwnersToOpen() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        try await api.store.setLock(.locked(byOwner: false, reason: nil), on: id)
        let response = await act(api, id, ["unlock": .null])
        #expect(response.status == 403)
        #expect(
            response.fault
                == "Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.")
        #expect(await act(api, id, ["unlock": .null], as: .admin).status == 202)
    }

    @Test func administratorsSetStates() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        #expect(await act(api, id, ["os-resetState": ["state": "error"]]).status == 403)
        #expect(await act(api, id, ["os-resetState": ["state": "error"]], as: .admin).status == 202)
        #expect(try await api.store.instance(id)?.status.vm == .error)
    }

    @Test func theConsoleIsReadFromTheHost() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let id = try await api.builtServer(ground)
        let subscription = try await api.bus.serve(
            topic: Topic.compute, host: "node1",
            [
                RPCHandler { (message: ReadConsoleLog, _) in
                    #expect(message.instance == id)
                    return ReadConsoleLog.Reply(bytes: Array("one\r\ntwo\u{1B}[0m\nthree".utf8))
                }
            ])
        let whole = await act(api, id, ["os-getConsoleOutput": [:]])
        #expect(whole.status == 200)
        #expect(try whole.json() == ["output": "one\ntwo[0m\nthree"])
        let all = "one\ntwo[0m\nthree"
        let tails = [("1", "three"), ("\"2\"", "two[0m\nthree"), ("0", ""), ("null", all), ("-1", all)]
        for (length, wanted) in tails {
            let body = try JSONParser.parse(Array("{\"os-getConsoleOutput\": {\"length\": \(length)}}".utf8))
            #expect(try await act(api, id, body).json()["output"]?.string == wanted)
        }
        await subscription.stop()
    }

    @Test func consolesThatCannotBeRead() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let created = await api.create(ground)
        let building = try #require(try created.json()["server"]?["id"]?.string.flatMap { InstanceID($0) })
        let early = await act(api, building, ["os-getConsoleOutput": [:]])
        #expect(early.status == 409)
        #expect(early.fault == "Instance \(building) is not ready")
        let id = try await api.builtServer(ground)
        #expect(await act(api, id, ["os-getConsoleOutput": [:]]).status == 503)
        for (kind, status) in [(FaultKind.notFound, 404), (FaultKind.notSupported, 501), ("Odd", 500)] {
            let subscription = try await api.bus.serve(
                topic: Topic.compute, host: "node1",
                [
                    RPCHandler { (_: ReadConsoleLog, _) -> ReadConsoleLog.Reply in
                        throw RemoteFault(kind: kind, message: "no")
                    }
                ])
            #expect(await act(api, id, ["os-getConsoleOutput": [:]]).status == status)
            await subscription.stop()
        }
    }

    @Test func changesOfAServer() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        func put(_ server: JSONValue, _ version: String) async -> InMemoryResponse {
            await api.send(.PUT, "/servers/\(id)", version, json: ["server": server])
        }
        #expect(try await put(["description": "new"], "2.19").json()["server"]?["description"] == "new")
        #expect(try await put(["description": .null], "2.19").json()["server"]?["description"] == .null)
        #expect(await put(["description": "new"], "2.18").status == 400)
        #expect(try await put(["accessIPv6": "2001:db8::1"], "2.1").json()["server"]?["accessIPv6"] == "2001:db8::1")
        #expect(try await put(["OS-DCF:diskConfig": "AUTO"], "2.1").json()["server"]?["OS-DCF:diskConfig"] == "AUTO")
        #expect(await put(["hostname": "web.example"], "2.93").status == 400)
        let named = try await put(["hostname": "web.example"], "2.94").json()
        #expect(named["server"]?["OS-EXT-SRV-ATTR:hostname"] == "web.example")
        let pinned = try await put(["pinned_availability_zone": "nova"], "2.104").json()
        #expect(pinned["server"]?["pinned_availability_zone"] == "nova")
        #expect(await put(["pinned_availability_zone": "mars"], "2.104").status == 409)
        let free = try await put(["pinned_availability_zone": .null], "2.104").json()
        #expect(free["server"]?["pinned_availability_zone"] == .null)
        let elsewhere = await put(["pinned_availability_zone": "mars"], "2.104")
        #expect(elsewhere.fault?.hasPrefix("Server can only be pinned") == true)
        #expect(await api.send(.PUT, "/servers/\(id)", as: .reader, json: ["server": [:]]).status == 403)
    }
}

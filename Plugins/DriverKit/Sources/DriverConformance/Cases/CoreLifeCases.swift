import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Making and removing guests, beyond what every changing call has.
    static let coreLifeCases: [ConformanceCase] = {
        var list = CaseList()
        addSpawnCases(&list)
        addImageCases(&list)
        addDestroyCases(&list)
        addRebuildCases(&list)
        return list.cases
    }()

    private static func addSpawnCases(_ list: inout CaseList) {
        list.add(
            "core.spawn.handle", .launch, "A spawned guest has a handle of at most 1024 bytes that recover knows",
            shared: .none
        ) { bench in
            let guest = try await bench.spawn()
            let count = guest.handle.data.count
            try check(count <= 1024, "the handle has \(count) bytes; a few hundred are enough for any hypervisor")
            let found = try await bench.driver.recover([guest.id: guest.handle])
            try check(found[guest.id] != nil, "recover does not know the handle that spawn returned")
        }
        list.add(
            "core.spawn.same-handle", .launch, "A repeated spawn returns the handle that the first one returned"
        ) { bench in
            let guest = try await bench.spawn()
            let again = try await bench.driver.spawn(guest.spec, guest.call)
            try check(again == guest.handle, "the repeated spawn returned another handle")
        }
        list.add("core.spawn.off", .launch, "A guest that shall not run is defined and off, and can be started") {
            bench in
            let guest = try await bench.spawn { $0.isRunning = false }
            try await bench.expectPower([.shutdown], of: guest.id, "after a spawn that shall leave it off")
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after powerOn")
        }
        list.add(
            "core.spawn.existing-guest", .launch, "Spawning a guest that exists makes no second one"
        ) { bench in
            let guest = try await bench.spawn()
            let before = Set(try await bench.guests().map(\.id))
            let observed = try await bench.observe(guest.id)
            do {
                _ = try await bench.driver.spawn(guest.spec, bench.call())
            } catch {
                let isTyped = ErrorKind.of(error).map { [.refused, .failed, .busy].contains($0) } ?? false
                try check(isTyped, "spawning an existing guest threw \(told(error))")
            }
            let after = try await bench.guests()
            for new in after where !before.contains(new.id) { bench.track(new.id) }
            try check(Set(after.map(\.id)) == before, "spawning an existing guest made another")
            try check(after.count == before.count, "spawning an existing guest made another of the same UUID")
            try await bench.expectUnchanged(guest.id, since: observed, "after spawning it again by a higher number")
        }
        list.add("core.spawn.at-once", .launch, "Guests that are spawned at once all run", guests: 4) { bench in
            let ids = try await withThrowingTaskGroup(of: GuestID.self) { group in
                for _ in 0..<4 { group.addTask { try await bench.spawn().id } }
                return try await group.reduce(into: Set<GuestID>()) { $0.insert($1) }
            }
            for id in ids { try await bench.expectPower([.running], of: id, "after spawns at once") }
            let listed = try await bench.guests().filter { ids.contains($0.id) }
            try check(listed.count == 4, "of 4 guests spawned at once \(listed.count) are listed")
        }
        list.add(
            "core.spawn.many", .launch, "Eight guests exist side by side, each listed once", guests: 8,
            shared: .excludes, deadline: .seconds(60)
        ) { bench in
            let before = try await bench.guests().count
            var ids: Set<GuestID> = []
            for _ in 0..<8 { ids.insert(try await bench.spawn().id) }
            let all = try await bench.guests()
            let listed = all.map(\.id).filter { ids.contains($0) }
            try check(Set(listed) == ids, "of 8 guests \(Set(listed).count) are listed")
            try check(listed.count == 8, "8 guests make \(listed.count) entries of the list")
            try check(all.count == before + 8, "with 8 more guests than \(before) the list has \(all.count)")
        }
        list.add(
            "core.spawn.interface", .launch, "A guest is spawned with an interface", parts: [.interfaces]
        ) { bench in
            let interface = try await bench.interface()
            let guest = try await bench.spawn { $0.interfaces = [interface] }
            guard let interfaces = bench.capabilities.interfaces else { return }
            let found = try await interfaces.interfaces(of: guest.id)
            try check(found == [interface.macAddress], "the guest has the interfaces \(found.sorted())")
        }
        list.add(
            "core.spawn.two-interfaces", .launch, "A guest is spawned with two interfaces", parts: [.interfaces]
        ) { bench in
            let (first, second) = (try await bench.interface(), try await bench.interface())
            let guest = try await bench.spawn { $0.interfaces = [first, second] }
            guard let interfaces = bench.capabilities.interfaces else { return }
            let found = try await interfaces.interfaces(of: guest.id)
            try check(found == [first.macAddress, second.macAddress], "the guest has the interfaces \(found.sorted())")
        }
        list.add(
            "core.spawn.larger", .launch, "A guest is spawned with more processors, memory, ephemeral disk and swap"
        ) { bench in
            let guest = try await bench.spawn { [flavor = bench.limits.largerFlavor] spec in
                spec.flavor = flavor
                spec.flavor.ephemeralGiB = 1
                spec.flavor.swapMiB = 64
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
        }
        list.add(
            "core.spawn.odd-names", .launch, "Names and metadata of users' making do no harm"
        ) { bench in
            let guest = try await bench.spawn { spec in
                spec.name = "ärger \"<&>'; ../\n日本 \u{1F600}" + String(repeating: "x", count: 200)
                spec.metadata["<key & \"quote\">"] = "]]>\u{7}value"
            }
            try await bench.expectPower([.running], of: guest.id, "after spawn")
            let isListed = try await bench.guests().contains { $0.id == guest.id && $0.isOurs }
            try check(isListed, "the guest is not listed as ours")
        }
    }

    private static func addImageCases(_ list: inout CaseList) {
        list.add(
            "core.image.boots", .imageStorage, "A guest boots from an image in a format that the driver names",
            shared: .reads, quick: true
        ) { bench in
            let formats = bench.capabilities.imageFormats
            let format = bench.subject.images.boot.diskFormat
            try check(
                formats.contains(format), "a guest boots from \(format), and the driver names \(formats.sorted())")
            try await bench.expectPower([.running], of: bench.sharedGuest().id, "some time after spawn")
        }
        list.add(
            "core.image.unavailable", .imageStorage,
            "An image that cannot be fetched is said to be unavailable, and nothing of the guest remains"
        ) { bench in
            var spec = bench.makeSpec()
            spec.image?.id = .random()
            let fetches = bench.subject.host.fetches
            let call = bench.call()
            bench.track(spec.id)
            do {
                _ = try await bench.driver.spawn(spec, call)
            } catch {
                let isTyped = ErrorKind.of(error) == .imageUnavailable
                try check(isTyped, "an image that is not there made spawn throw \(told(error))")
                return try await bench.expectAbsent(spec.id, "after a spawn without its image")
            }
            try check(bench.subject.host.fetches == fetches, "the image could not be fetched, and spawn succeeded")
            throw CaseSkip.notShown("the driver makes guests without fetching their images")
        }
        list.add(
            "core.image.unavailable.again", .imageStorage,
            "A spawn that failed for want of its image succeeds by a higher number when the image is there"
        ) { bench in
            var spec = bench.makeSpec()
            let image = spec.image
            spec.image?.id = .random()
            bench.track(spec.id)
            _ = try? await bench.driver.spawn(spec, bench.call())
            if try await bench.power(of: spec.id) != nil { try await bench.driver.destroy(spec.id, bench.call()) }
            spec.image = image
            _ = try await bench.spawn(spec)
            try await bench.expectPower([.running], of: spec.id, "after the second spawn")
        }
        list.add(
            "core.image.unknown-format", .imageStorage,
            "An image in a format that the driver does not name is unacceptable, and nothing of the guest remains"
        ) { bench in
            var spec = bench.makeSpec()
            spec.image?.diskFormat = "conformance"
            let (driver, call) = (bench.driver, bench.call())
            bench.track(spec.id)
            try await expectError([.imageUnacceptable], from: "spawning from an unknown format") { [spec] in
                _ = try await driver.spawn(spec, call)
            }
            try await bench.expectAbsent(spec.id, "after a spawn from an unknown format")
        }
        list.add(
            "core.image.broken", .imageStorage,
            "An image that is not what it claims is unacceptable, and nothing of the guest remains"
        ) { bench in
            guard let broken = bench.subject.images.broken else { throw CaseSkip.notShown("there is no broken image") }
            var spec = bench.makeSpec()
            spec.image = broken
            let (driver, call) = (bench.driver, bench.call())
            bench.track(spec.id)
            try await expectError([.imageUnacceptable], from: "spawning from a broken image") { [spec] in
                _ = try await driver.spawn(spec, call)
            }
            try await bench.expectAbsent(spec.id, "after a spawn from a broken image")
        }
        list.add(
            "core.image.slow-fetch-cancelled", .imageStorage,
            "A spawn that waits for its image answers cancellation in time and leaves nothing"
        ) { bench in
            let limit = bench.limits.scaled(.seconds(5))
            var spec = bench.makeSpec()
            // An image of its own, so that none of it is cached.
            spec.image = bench.subject.host.offerAgain(bench.subject.images.boot)
            bench.subject.host.delayFetches(by: limit * 1.3)
            defer { bench.subject.host.delayFetches(by: .zero) }
            let fetches = bench.subject.host.fetches
            let (driver, call) = (bench.driver, bench.call())
            bench.track(spec.id)
            let work = Task { [spec] in try await driver.spawn(spec, call) }
            let end = ContinuousClock.now + bench.limits.scaled(.seconds(5))
            while bench.subject.host.fetches == fetches, ContinuousClock.now < end {
                if try await bench.power(of: spec.id) == .running { break }
                try await Task.sleep(for: .milliseconds(2))
            }
            work.cancel()
            let outcome = await bounded(limit) { try await work.value }
            guard bench.subject.host.fetches > fetches else {
                throw CaseSkip.notShown("the driver makes guests without fetching their images")
            }
            guard case .failure(let error as DriverError) = outcome else {
                throw CaseFailure(description: "spawn did not answer cancellation within \(limit)")
            }
            try check(error == .cancelled, "a spawn that was cancelled threw \(told(error))")
            try await bench.expectAbsent(spec.id, "after a spawn was cancelled")
        }
    }

    private static func addDestroyCases(_ list: inout CaseList) {
        list.add("core.destroy.stopped", .terminate, "A stopped guest is destroyed") { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.expectAbsent(guest.id, "after destroy")
        }
        list.add(
            "core.destroy.twice", .terminate, "Destroying a guest again by a higher number succeeds"
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.expectAbsent(guest.id, "after destroy")
        }
        list.add(
            "core.destroy.late-spawn", .terminate, "A spawn that arrives after the destroy is stale and makes nothing"
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.destroy(guest.id, bench.call())
            let driver = bench.driver
            try await expectError([.stale], from: "a late spawn of a destroyed guest") {
                _ = try await driver.spawn(guest.spec, guest.call)
            }
            try await bench.expectAbsent(guest.id, "after a late spawn")
        }
        list.add(
            "core.destroy.late-spawn-after-restart", .terminate,
            "A spawn that arrives after the destroy is stale also when the driver was restarted between"
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.destroy(guest.id, bench.call())
            bench.node.keep(nil, of: guest.id)
            try await bench.node.restart()
            let driver = bench.driver
            try await expectError([.stale], from: "a late spawn of a destroyed guest") {
                _ = try await driver.spawn(guest.spec, guest.call)
            }
            try await bench.expectAbsent(guest.id, "after a late spawn")
        }
        list.add(
            "core.destroy.never-made", .terminate, "Destroying many guests that never were succeeds", guests: 0
        ) { bench in
            for _ in 0..<20 { try await bench.driver.destroy(.random(), bench.call()) }
        }
        list.add(
            "core.destroy.calls-after", .terminate, "Every call on a destroyed guest says that it is absent"
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.destroy(guest.id, bench.call())
            let (driver, id) = (bench.driver, guest.id)
            let calls = [bench.call(), bench.call(), bench.call()]
            try await expectError([.noSuchGuest], from: "powerState") { _ = try await driver.powerState(of: id) }
            try await expectError([.noSuchGuest], from: "powerOn") { try await driver.powerOn(id, calls[0]) }
            try await expectError([.noSuchGuest], from: "powerOff") {
                try await driver.powerOff(id, within: .zero, calls[1])
            }
            try await expectError([.noSuchGuest], from: "reboot") {
                try await driver.reboot(id, .hard, within: .zero, calls[2])
            }
        }
        list.add(
            "core.destroy.at-once", .terminate, "Guests that are destroyed at once are all gone", guests: 4
        ) { bench in
            var guests: [TestGuest] = []
            for _ in 0..<4 { guests.append(try await bench.spawn()) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for guest in guests { group.addTask { try await bench.driver.destroy(guest.id, bench.call()) } }
                try await group.waitForAll()
            }
            for guest in guests { try await bench.expectAbsent(guest.id, "after destroys at once") }
        }
    }

    private static func addRebuildCases(_ list: inout CaseList) {
        list.add(
            "core.rebuild", .rebuild, "A guest that was destroyed is spawned again under its UUID from another image",
            quick: true
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.destroy(guest.id, bench.call())
            var spec = guest.spec
            spec.image = bench.subject.images.rescue
            let again = try await bench.spawn(spec)
            try await bench.expectPower([.running], of: again.id, "after the rebuild")
            let count = try await bench.guests().count { $0.id == guest.id }
            try check(count == 1, "after the rebuild the guest is listed \(count) times")
        }
        list.add("core.rebuild.anew", .rebuild, "A rebuilt guest has nothing of its former self") { bench in
            let guest = try await bench.spawn()
            let before = try await bench.subject.insight?.rootContent(of: guest.id)
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.driver.destroy(guest.id, bench.call())
            let again = try await bench.spawn(guest.spec)
            try await bench.expectBoots(1, of: again.id, "after the rebuild")
            guard let before, let after = try await bench.subject.insight?.rootContent(of: again.id) else { return }
            try check(before != after, "after the rebuild the guest has its former root disk")
        }
        list.add("core.rebuild.again", .rebuild, "A guest is rebuilt several times") { bench in
            var guest = try await bench.spawn()
            for _ in 0..<3 {
                try await bench.driver.destroy(guest.id, bench.call())
                guest = try await bench.spawn(guest.spec)
            }
            try await bench.expectPower([.running], of: guest.id, "after the last rebuild")
        }
    }
}

import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Health, inventory, events and what is declared.
    static let coreStreamCases: [ConformanceCase] = {
        var list = CaseList()
        addHealthCases(&list)
        addInventoryCases(&list)
        addEventCases(&list)
        addDeclarationCases(&list)
        return list.cases
    }()

    private static func addHealthCases(_ list: inout CaseList) {
        list.add("core.health", .guestInfo, "Health comes at once and is good", guests: 0, quick: true) { bench in
            let health = bench.driver.health()
            let first = try await bench.within(.seconds(2), "the first element of health") {
                await firstElement(of: health)
            }
            try check(first == .healthy, "health begins with \(String(describing: first))")
        }
        list.add("core.health.two-readers", .guestInfo, "A second reader of health gets it at once too", guests: 0) {
            bench in
            let (one, other) = (bench.driver.health(), bench.driver.health())
            let both = try await bench.within(.seconds(2), "the first elements of two streams of health") {
                let (first, second) = (await firstElement(of: one), await firstElement(of: other))
                return [first, second]
            }
            try check(both == [.healthy, .healthy], "two readers of health got \(both)")
        }
        list.add(
            "core.health.killed", .guestInfo,
            "Health turns bad with a reason when the hypervisor dies and good by itself when it is back",
            parts: [.hypervisorControl], guests: 0, deadline: .seconds(60)
        ) { bench in
            try await bench.kill()
            try await bench.expectHealth(healthy: false, "after the hypervisor died")
            try await bench.revive()
            _ = try await bench.guests()
        }
        list.add(
            "core.health.reads-killed", .guestInfo, "Reading calls on a dead hypervisor say that it is unreachable",
            parts: [.hypervisorControl], deadline: .seconds(60)
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.kill()
            let driver = bench.driver
            _ = try await bench.within(.seconds(30), "reading calls on a dead hypervisor") {
                try await expectError([.unreachable], from: "guests") { _ = try await driver.guests() }
                try await expectError([.unreachable], from: "powerState") {
                    _ = try await driver.powerState(of: guest.id)
                }
                try await expectError([.unreachable], from: "recover") {
                    _ = try await driver.recover([guest.id: guest.handle])
                }
            }
            try await bench.revive()
            guard bench.subject.hypervisor?.endsGuests == false else { return }
            try await bench.expectPower([.running], of: guest.id, "after the hypervisor came back")
        }
        list.add(
            "core.health.killed-between", .guestInfo,
            "What was done before the hypervisor died is so when it is back", parts: [.hypervisorControl], guests: 2,
            deadline: .seconds(60)
        ) { bench in
            guard bench.subject.hypervisor?.endsGuests == false else {
                throw CaseSkip.notShown("guests end with the hypervisor")
            }
            let (running, stopped) = (try await bench.spawn(), try await bench.spawn())
            try await bench.driver.powerOff(stopped.id, within: .zero, bench.call())
            let before = (try await bench.observe(running.id), try await bench.observe(stopped.id))
            try await bench.kill()
            try await bench.expectHealth(healthy: false, "after the hypervisor died")
            try await bench.revive()
            try await bench.expectUnchanged(running.id, since: before.0, "after the hypervisor came back")
            try await bench.expectUnchanged(stopped.id, since: before.1, "after the hypervisor came back")
            let (driver, late) = (bench.driver, stopped.call)
            try await expectError([.stale], from: "a late powerOn after the hypervisor came back") {
                try await driver.powerOn(stopped.id, late)
            }
        }
        list.add(
            "core.health.started-without", .guestInfo,
            "A driver that is started while the hypervisor is away refuses, or serves when it is back",
            parts: [.hypervisorControl], deadline: .seconds(60)
        ) { bench in
            let guest = try await bench.spawn()
            await bench.node.shutDown()
            try await bench.kill()
            let subject = bench.subject
            let outcome = await bounded(bench.limits.scaled(.seconds(30))) { try await subject.start() }
            try await subject.hypervisor?.revive()
            switch outcome {
            case .value(let driver): await driver.shutDown()
            case .failure(let error):
                let kind = ErrorKind.of(error)
                try check(kind == .unreachable, "starting without a hypervisor threw \(told(error))")
            case .late: throw CaseFailure(description: "starting without a hypervisor did not end")
            }
            let found = try await bench.node.start()
            guard subject.hypervisor?.endsGuests == false else { return }
            try check(found[guest.id] != nil, "after the hypervisor came back recover does not find the guest")
        }
        list.add(
            "core.health.hangs", .guestInfo, "A call to a hypervisor that hangs answers cancellation in time",
            parts: [.hypervisorControl]
        ) { bench in
            let guest = try await bench.spawn()
            guard try await bench.subject.hypervisor?.hang() == true else {
                throw CaseSkip.notShown("the hypervisor cannot be made to hang")
            }
            let (driver, call, limit) = (bench.driver, bench.call(), bench.limits.scaled(.seconds(5)))
            let work = Task { try await driver.powerOff(guest.id, within: .zero, call) }
            try await Task.sleep(for: bench.limits.scaled(.milliseconds(100)))
            work.cancel()
            let outcome = await bounded(limit) { try await work.value }
            guard case .failure(let error) = outcome else {
                throw CaseFailure(description: "powerOff on a hypervisor that hangs did not answer within \(limit)")
            }
            let kind = ErrorKind.of(error)
            let isTyped = kind.map { [.cancelled, .unreachable, .timedOut].contains($0) } ?? false
            try check(isTyped, "powerOff on a hypervisor that hangs threw \(told(error))")
            try await bench.revive()
            try await bench.expectPower([.running], of: guest.id, "after a cancelled powerOff")
        }
    }

    private static func addEventCases(_ list: inout CaseList) {
        list.add("core.events", .guestInfo, "Every change of power is told", quick: true) { bench in
            let events = bench.driver.events()
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectEvents([.shutdown, .running], of: guest.id, in: events)
        }
        list.add("core.events.two-readers", .guestInfo, "Every reader of events is told") { bench in
            let (one, other) = (bench.driver.events(), bench.driver.events())
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.expectEvents([.shutdown], of: guest.id, in: one)
            try await bench.expectEvents([.shutdown], of: guest.id, in: other)
        }
        list.add(
            "core.events.accident", .guestInfo, "A guest that turns itself off is told of", parts: [.accidents]
        ) { bench in
            let guest = try await bench.spawn()
            let events = bench.driver.events()
            try await bench.subject.accidents?.stop(guest.id)
            try await bench.expectEvents([.shutdown], of: guest.id, in: events)
        }
        list.add("core.events.after-restart", .guestInfo, "Events come after a restart of the driver too") { bench in
            let guest = try await bench.spawn()
            try await bench.node.restart()
            let events = bench.driver.events()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.expectEvents([.shutdown], of: guest.id, in: events)
        }
        list.add(
            "core.events.after-revival", .guestInfo,
            "When the hypervisor is back, readers are told of changes or that they missed some",
            parts: [.hypervisorControl], deadline: .seconds(60)
        ) { bench in
            let guest = try await bench.spawn()
            let events = bench.driver.events()
            try await bench.kill()
            try await bench.expectHealth(healthy: false, "after the hypervisor died")
            try await bench.revive()
            let call = bench.call()
            if try await bench.power(of: guest.id) == .running {
                try await bench.driver.powerOff(guest.id, within: .zero, call)
            } else {
                try await bench.driver.powerOn(guest.id, call)
            }
            try await bench.within(.seconds(10), "an event after the hypervisor came back") {
                for await event in events {
                    switch event {
                    case .missed: return
                    case .power(let id, _): if id == guest.id { return }
                    }
                }
                throw CaseFailure(description: "the stream of events ended")
            }
        }
        list.add(
            "core.events.flood", .guestInfo,
            "A reader that falls behind gets every event or is told that it missed some",
            deadline: .seconds(60)
        ) { bench in
            let changes = bench.limits.floodChanges / 2 * 2
            guard changes > 0 else { throw CaseSkip.notShown("guests change too slowly for a flood") }
            let guest = try await bench.spawn()
            let events = bench.driver.events()
            for _ in 0..<changes / 2 {
                try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
                try await bench.driver.powerOn(guest.id, bench.call())
            }
            let tally = EventTally()
            let reader = Task {
                for await event in events { tally.add(event, guest.id) }
            }
            defer { reader.cancel() }
            // Events that come while it reads, so that a driver has occasion to tell of the loss.
            for _ in 0..<2 {
                try await bench.eventually("a slow reader gets events") { tally.count > 0 }
                try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
                try await bench.driver.powerOn(guest.id, bench.call())
            }
            try await bench.eventually("a reader that fell behind has all \(changes) events or is told of the loss") {
                tally.hasMissed || tally.count >= changes
            }
        }
    }

    private static func addDeclarationCases(_ list: inout CaseList) {
        list.add(
            "core.capabilities", .guestInfo, "What is declared fits together and does not change", guests: 0,
            shared: .reads, quick: true
        ) { bench in
            let capabilities = bench.capabilities
            try check(!capabilities.bindings.isEmpty, "no kind of network binding is declared")
            try check(!capabilities.imageFormats.isEmpty, "no image format is declared")
            if let consoles = capabilities.consoles { try check(!consoles.kinds.isEmpty, "consoles of no kind") }
            if let snapshots = capabilities.snapshots {
                try check(!snapshots.formats.isEmpty, "snapshots in no format")
            }
            for (fact, name) in factsThatNeed where capabilities.facts.contains(fact) {
                let isThere = capabilities.offers(name)
                try check(isThere, "\(fact.rawValue) is declared without \(name.rawValue)")
            }
            let names = Set(capabilities.names)
            let later = Set(bench.driver.capabilities.names)
            try check(names == later, "capabilities changed while the driver ran")
            for trait in capabilities.placementTraits { try expectValid(trait) }
        }
    }

    private static let factsThatNeed: [(CapabilityFact, CapabilityName)] = [
        (.taggedInterfaces, .interfaces), (.taggedVolumes, .volumes), (.multiattach, .volumes),
        (.encryptedVolumes, .volumes), (.bootFromVolume, .volumes), (.rescueOfVolumes, .rescue),
        (.stableRescue, .rescue),
    ]
}

/// The first element of a stream; `nil` when it ends before.
func firstElement<Element: Sendable>(of stream: AsyncStream<Element>) async -> Element? {
    for await element in stream { return element }
    return nil
}

/// Fails the case unless placement takes the name.
func expectValid(_ trait: Trait) throws {
    let name = trait.rawValue
    let isValid = !name.isEmpty && name.utf8.count <= 255 && name.utf8.allSatisfy(isNameByte)
    try check(isValid, "'\(name.prefix(80))' is no name of a trait: A to Z, 0 to 9 and _ make one, up to 255")
}

/// Whether a byte may stand in names of traits and resource classes.
func isNameByte(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || byte == UInt8(ascii: "_")
}

/// Counts events of one guest.
private final class EventTally: Sendable {
    private let state = Locked((count: 0, hasMissed: false))
    var count: Int { state.with { $0.count } }
    var hasMissed: Bool { state.with { $0.hasMissed } }

    func add(_ event: GuestEvent, _ guest: GuestID) {
        state.with { state in
            switch event {
            case .missed: state.hasMissed = true
            case .power(let id, _): if id == guest { state.count += 1 }
            }
        }
    }
}

extension Bench {
    /// Fails the case unless the stream tells these states of a guest in this order; others between them, and states
    /// told twice, do no harm.
    func expectEvents(_ states: [PowerState], of guest: GuestID, in events: AsyncStream<GuestEvent>) async throws {
        let names = states.map { "\($0)" }.joined(separator: ", ")
        try await within(.seconds(10), "the events \(names)") {
            var rest = states[...]
            for await event in events {
                switch event {
                case .missed: return
                case .power(let id, let state): if id == guest, state == rest.first { rest = rest.dropFirst() }
                }
                if rest.isEmpty { return }
            }
            throw CaseFailure(description: "the stream of events ended")
        }
    }
}

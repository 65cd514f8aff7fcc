import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Power and restarts, beyond what every changing call has.
    static let corePowerCases: [ConformanceCase] = {
        var list = CaseList()
        addStateCases(&list)
        addPowerCases(&list)
        addRebootCases(&list)
        return list.cases
    }()

    private static func addStateCases(_ list: inout CaseList) {
        list.add(
            "core.power-state.running", .guestInfo, "A running guest is said to run", shared: .reads, quick: true
        ) { bench in
            try await bench.expectPower([.running], of: bench.sharedGuest().id, "untouched,")
        }
        list.add(
            "core.power-state.absent-guest", .guestInfo, "The state of an absent guest is an error that names it",
            guests: 0
        ) { bench in
            let (driver, guest) = (bench.driver, GuestID.random())
            let error = try await expectError([.noSuchGuest], from: "powerState of an absent guest") {
                _ = try await driver.powerState(of: guest)
            }
            try check(error == .noSuchGuest(guest), "powerState of an absent guest names another guest")
        }
        list.add("core.power-state.listed", .guestInfo, "State and list agree, running and off") { bench in
            let guest = try await bench.spawn()
            for wanted in [PowerState.running, .shutdown] {
                if wanted == .shutdown { try await bench.driver.powerOff(guest.id, within: .zero, bench.call()) }
                let listed = try await bench.guests().first { $0.id == guest.id }
                try check(listed?.power == wanted, "the list says \(String(describing: listed?.power)), not \(wanted)")
                try await bench.expectPower([wanted], of: guest.id, "besides,")
            }
        }
        list.add(
            "core.power-state.many-readers", .guestInfo, "Many readers at once get the same answer", guests: 0,
            shared: .reads
        ) { bench in
            let guest = try bench.sharedGuest()
            let driver = bench.driver
            let states = try await withThrowingTaskGroup(of: PowerState.self) { group in
                for _ in 0..<50 { group.addTask { try await driver.powerState(of: guest.id) } }
                return try await group.reduce(into: Set<PowerState>()) { $0.insert($1) }
            }
            try check(states == [.running], "50 readers got \(states)")
        }
        list.add(
            "core.power-state.turned-itself-off", .guestInfo, "A guest that turned itself off is off, kept, and starts",
            parts: [.accidents]
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.subject.accidents?.stop(guest.id)
            try await bench.eventually("a guest that turned itself off is off", within: .seconds(20)) {
                try await bench.power(of: guest.id) == .shutdown
            }
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after powerOn")
        }
    }

    private static func addPowerCases(_ list: inout CaseList) {
        list.add("core.power-on.running", .launch, "Starting a running guest succeeds and changes nothing") { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let (driver, call) = (bench.driver, bench.call())
            try await doing("powerOn of a running guest") { try await driver.powerOn(guest.id, call) }
            try await bench.expectUnchanged(guest.id, since: before, "after powerOn of a running guest")
        }
        list.add("core.power-off.stopped", .launch, "Stopping a stopped guest succeeds and changes nothing") { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let before = try await bench.observe(guest.id)
            let (driver, call) = (bench.driver, bench.call())
            try await doing("powerOff of a stopped guest") { try await driver.powerOff(guest.id, within: .zero, call) }
            try await bench.expectUnchanged(guest.id, since: before, "after powerOff of a stopped guest")
        }
        list.add(
            "core.power-off.grace", .launch, "A guest that is asked to stop is off when the grace is over at the latest"
        ) { bench in
            let guest = try await bench.spawn()
            let grace = bench.limits.grace
            let (driver, call) = (bench.driver, bench.call())
            let begun = ContinuousClock.now
            try await driver.powerOff(guest.id, within: grace, call)
            let taken = ContinuousClock.now - begun
            try await bench.expectPower([.shutdown], of: guest.id, "after powerOff")
            let limit = grace + bench.limits.scaled(.seconds(10))
            try check(taken < limit, "powerOff with a grace of \(grace) took \(taken)")
        }
        list.add("core.power-off.deaf", .launch, "A guest that does not listen is off after the grace") { bench in
            guard let metadata = bench.subject.rehearsal?.deafening else {
                throw CaseSkip.notShown("guests cannot be made to ignore requests to shut down")
            }
            let guest = try await bench.spawn(metadata: metadata)
            let grace = bench.limits.scaled(.milliseconds(500))
            let begun = ContinuousClock.now
            try await bench.driver.powerOff(guest.id, within: grace, bench.call())
            try check(ContinuousClock.now - begun >= grace, "the plug was pulled before the grace was over")
            try await bench.expectPower([.shutdown], of: guest.id, "after powerOff")
        }
        list.add("core.power-cycle", .launch, "A guest is stopped and started several times") { bench in
            let guest = try await bench.spawn()
            for _ in 0..<5 {
                try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
                try await bench.expectPower([.shutdown], of: guest.id, "after powerOff")
                try await bench.driver.powerOn(guest.id, bench.call())
                try await bench.expectPower([.running], of: guest.id, "after powerOn")
            }
            try await bench.expectBoots(6, of: guest.id, "after five cycles")
        }
        list.add("core.power-cycle.keeps", .launch, "A guest keeps its disk and devices while it is off") { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after powerOff", ignoringPower: true)
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after powerOn", ignoringPower: true)
            let contentNow = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == contentNow, "after a power cycle the root disk is another")
        }
    }

    private static func addRebootCases(_ list: inout CaseList) {
        list.add("core.reboot-hard.stopped", .reboot, "A hard reboot brings a stopped guest up") { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after a hard reboot")
        }
        list.add(
            "core.reboot-hard.crashed", .reboot,
            "A crashed guest is said to have crashed, and a hard reboot revives it",
            parts: [.accidents]
        ) { bench in
            let guest = try await bench.spawn()
            guard try await bench.subject.accidents?.crash(guest.id) == true else {
                throw CaseSkip.notShown("guests cannot be made to crash")
            }
            try await bench.eventually("a guest that crashed is said to have", within: .seconds(20)) {
                try await bench.power(of: guest.id) == .crashed
            }
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after a hard reboot")
        }
        list.add(
            "core.reboot-soft.deaf", .reboot, "A soft reboot of a guest that does not listen becomes a hard one"
        ) { bench in
            guard let metadata = bench.subject.rehearsal?.deafening else {
                throw CaseSkip.notShown("guests cannot be made to ignore requests to shut down")
            }
            let guest = try await bench.spawn(metadata: metadata)
            let grace = bench.limits.scaled(.milliseconds(500))
            try await bench.driver.reboot(guest.id, .soft, within: grace, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after a soft reboot")
            try await bench.expectBoots(2, of: guest.id, "after a soft reboot")
        }
        list.add("core.reboot.keeps", .reboot, "A guest keeps its disk and devices when it is rebooted") { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after a reboot", ignoringPower: true)
            let contentNow = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == contentNow, "after a reboot the root disk is another")
        }
    }
}

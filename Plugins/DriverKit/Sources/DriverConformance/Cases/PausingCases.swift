import ComputeModel
import DriverAPI

extension CallProbe {
    static let pause = CallProbe(
        id: "pausing.pause", deed: "pausing a guest", feature: .pause, needs: [.capability(.pausing)],
        rehearsal: "pause",
        perform: { _, arranged, call in try await arranged.capabilities.pausing?.pause(arranged.id, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.paused], of: arranged.id, "after pause")
            try await bench.expectBoots(1, of: arranged.id, "after pause")
        })

    static let unpause = CallProbe(
        id: "pausing.unpause", deed: "unpausing a guest", feature: .unpause, needs: [.capability(.pausing)],
        rehearsal: "unpause",
        position: { bench, arranged in
            try await arranged.capabilities.pausing?.pause(arranged.id, bench.call())
        },
        perform: { _, arranged, call in try await arranged.capabilities.pausing?.unpause(arranged.id, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after unpause")
            try await bench.expectBoots(1, of: arranged.id, "after unpause")
        })

    static let suspend = CallProbe(
        id: "suspending.suspend", deed: "suspending a guest", feature: .suspend, needs: [.capability(.suspending)],
        rehearsal: "suspend",
        perform: { _, arranged, call in try await arranged.capabilities.suspending?.suspend(arranged.id, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.suspended, .shutdown], of: arranged.id, "after suspend")
            guard let resident = try await bench.subject.insight?.residentMiB(of: arranged.id) else { return }
            try check(resident == 0, "a suspended guest holds \(resident) MiB of the node's memory")
        })

    static let resume = CallProbe(
        id: "suspending.resume", deed: "resuming a guest", feature: .resume, needs: [.capability(.suspending)],
        rehearsal: "resume",
        position: { bench, arranged in
            try await arranged.capabilities.suspending?.suspend(arranged.id, bench.call())
        },
        perform: { _, arranged, call in try await arranged.capabilities.suspending?.resume(arranged.id, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after resume")
            try await bench.expectBoots(1, of: arranged.id, "after resume")
        })

    static let crashDump = CallProbe(
        id: "crash-dumps.trigger", deed: "interrupting a guest for a crash dump", feature: .crashDump,
        needs: [.capability(.crashDumps)], rehearsal: "trigger_crash_dump",
        // It may interrupt again when it is repeated, and what the guest does then is its own.
        aspects: [.does, .stale, .absent, .foreign, .cancelled, .killed],
        perform: { _, arranged, call in
            try await arranged.capabilities.crashDumps?.triggerCrashDump(of: arranged.id, call)
        },
        verify: { bench, arranged in
            let interrupts = try await bench.subject.insight?.interrupts(of: arranged.id)
            try check(interrupts != 0, "the guest was not interrupted")
        })
}

extension ConformanceCase {
    /// Freezing guests in memory.
    static let pausingCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.pausing)]
        list.add("pausing.pause.paused", .pause, "Pausing a paused guest succeeds", needs: needs) { bench in
            let guest = try await bench.spawn()
            let pausing = try bench.pausing()
            try await pausing.pause(guest.id, bench.call())
            try await pausing.pause(guest.id, bench.call())
            try await bench.expectPower([.paused], of: guest.id, "after pause")
        }
        list.add(
            "pausing.pause.stopped", .pause, "Pausing a stopped guest is refused and leaves it off", needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let (pausing, call) = (try bench.pausing(), bench.call())
            try await expectError([.refused], from: "pausing a stopped guest") {
                try await pausing.pause(guest.id, call)
            }
            try await bench.expectPower([.shutdown], of: guest.id, "after a refused pause")
        }
        list.add("pausing.unpause.running", .unpause, "Unpausing a running guest succeeds", needs: needs) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            try await bench.pausing().unpause(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after unpause of a running guest")
        }
        list.add(
            "pausing.unpause.stopped", .unpause, "Unpausing a stopped guest is refused and leaves it off", needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let (pausing, call) = (try bench.pausing(), bench.call())
            try await expectError([.refused], from: "unpausing a stopped guest") {
                try await pausing.unpause(guest.id, call)
            }
            try await bench.expectPower([.shutdown], of: guest.id, "after a refused unpause")
        }
        list.add("pausing.paused.power-off", .pause, "A paused guest can be stopped and started", needs: needs) {
            bench in
            let guest = try await bench.spawn()
            try await bench.pausing().pause(guest.id, bench.call())
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.expectPower([.shutdown], of: guest.id, "after powerOff of a paused guest")
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after powerOn")
        }
        list.add("pausing.paused.reboot", .pause, "A paused guest runs after a hard reboot", needs: needs) { bench in
            let guest = try await bench.spawn()
            try await bench.pausing().pause(guest.id, bench.call())
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after a hard reboot of a paused guest")
        }
        list.add("pausing.paused.destroy", .pause, "A paused guest can be destroyed", needs: needs) { bench in
            let guest = try await bench.spawn()
            try await bench.pausing().pause(guest.id, bench.call())
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.expectAbsent(guest.id, "after destroy of a paused guest")
        }
        list.add("pausing.events", .pause, "Pausing and unpausing are told as events", needs: needs) { bench in
            let guest = try await bench.spawn()
            let events = bench.driver.events()
            try await bench.pausing().pause(guest.id, bench.call())
            try await bench.pausing().unpause(guest.id, bench.call())
            try await bench.expectEvents([.paused, .running], of: guest.id, in: events)
        }
        return CallProbe.pause.cases + CallProbe.unpause.cases + list.cases
    }()

    /// Saving guests' memory, and interrupts.
    static let suspendingCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.suspending)]
        list.add("suspending.suspend.suspended", .suspend, "Suspending a suspended guest succeeds", needs: needs) {
            bench in
            let guest = try await bench.spawn()
            try await bench.suspending().suspend(guest.id, bench.call())
            let before = try await bench.observe(guest.id)
            try await bench.suspending().suspend(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after suspend of a suspended guest")
            try await bench.suspending().resume(guest.id, bench.call())
            try await bench.expectBoots(1, of: guest.id, "after resume")
        }
        list.add(
            "suspending.suspend.stopped", .suspend, "Suspending a stopped guest is refused and leaves it off",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let (suspending, call) = (try bench.suspending(), bench.call())
            try await expectError([.refused], from: "suspending a stopped guest") {
                try await suspending.suspend(guest.id, call)
            }
            try await bench.expectPower([.shutdown], of: guest.id, "after a refused suspend")
        }
        list.add(
            "suspending.suspend.paused", .suspend, "A paused guest can be suspended",
            needs: needs + [.capability(.pausing)]
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.pausing().pause(guest.id, bench.call())
            try await bench.suspending().suspend(guest.id, bench.call())
            try await bench.expectPower([.suspended, .shutdown], of: guest.id, "after suspend of a paused guest")
        }
        list.add("suspending.resume.running", .resume, "Resuming a running guest succeeds", needs: needs) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            try await bench.suspending().resume(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after resume of a running guest")
        }
        list.add(
            "suspending.resume.keeps", .resume, "A resumed guest goes on where it was, with its disk and devices",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            try await bench.suspending().suspend(guest.id, bench.call())
            try await bench.node.restart()
            try await bench.suspending().resume(guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after suspend, a restart and resume")
            let contentNow = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == contentNow, "after resume the root disk is another")
        }
        list.add(
            "suspending.suspended.destroy", .suspend, "A suspended guest can be destroyed, saved memory and all",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.suspending().suspend(guest.id, bench.call())
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.expectAbsent(guest.id, "after destroy of a suspended guest")
        }
        list.add(
            "suspending.suspended.reboot", .suspend, "A suspended guest runs after a hard reboot", needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.suspending().suspend(guest.id, bench.call())
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after a hard reboot of a suspended guest")
        }
        list.add("suspending.events", .suspend, "Suspending and resuming are told as events", needs: needs) { bench in
            let guest = try await bench.spawn()
            try await bench.suspending().suspend(guest.id, bench.call())
            let events = bench.driver.events()
            try await bench.suspending().resume(guest.id, bench.call())
            try await bench.expectEvents([.running], of: guest.id, in: events)
        }
        list.add(
            "crash-dumps.trigger.stopped", .crashDump, "Interrupting a stopped guest is refused and leaves it off",
            needs: [.capability(.crashDumps)]
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let (dumps, call) = (try unwrap(bench.capabilities.crashDumps, "no crash dumps"), bench.call())
            try await expectError([.refused], from: "interrupting a stopped guest") {
                try await dumps.triggerCrashDump(of: guest.id, call)
            }
            try await bench.expectPower([.shutdown], of: guest.id, "after a refused interrupt")
        }
        return CallProbe.suspend.cases + CallProbe.resume.cases + CallProbe.crashDump.cases + list.cases
    }()
}

extension Bench {
    func pausing() throws -> any PausingGuests { try unwrap(capabilities.pausing, "the driver does not pause") }
    func suspending() throws -> any SuspendingGuests {
        try unwrap(capabilities.suspending, "the driver does not suspend")
    }
}

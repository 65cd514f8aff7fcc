import DriverAPI
import DriverConformance
import Testing

/// The suite as a program: what it does around cases.
@Suite struct SuiteTests {
    @Test func theLeastDriverPassesTheCore() async throws {
        let report = await DriverSuite(try PlainSubject(), SuiteOptions(patterns: ["core.*"])).run()
        #expect(report.failures.isEmpty, "\(report.failures.map { "\($0.id): \($0.reason ?? "")" })")
        #expect(report.count(.passed) >= 60)
        #expect(report.count(.notDeclared) == 2, "uptime and traits of the processor")
    }

    @Test func whatIsNotDeclaredIsSkippedByNameWithTheReason() async throws {
        let report = await DriverSuite(try PlainSubject(), SuiteOptions(patterns: ["pausing.*", "uefi.*"])).run()
        #expect(report.results.count > 20)
        #expect(report.results.allSatisfy { $0.outcome == .notDeclared && $0.reason != nil })
        #expect(report.mark(of: .pause) == .missing)
        #expect(!report.isPassed, "nothing was shown")
    }

    @Test func whatTheSubjectLacksIsSkippedByNameWithTheReason() async throws {
        let options = SuiteOptions(patterns: ["core.*.hypervisor-killed", "core.foreign.*"])
        let report = await DriverSuite(try PlainSubject(), options).run()
        #expect(report.results.count >= 9)
        #expect(report.results.allSatisfy { $0.outcome == .notShown })
        #expect(Set(report.results.compactMap(\.reason)).count == 2)
    }

    @Test func aCaseThatNeedsMoreGuestsThanMayExistIsSkipped() async throws {
        let options = SuiteOptions(patterns: ["core.spawn.many", "core.spawn", "core.guests"])
        let report = await DriverSuite(try PlainSubject(guestsMax: 1), options).run()
        #expect(report.results.map(\.outcome) == [.passed, .notShown, .passed])
    }

    @Test func aDriverThatHangsCostsACaseItsDeadlineAndNoMore() async throws {
        let subject = try PlainSubject(.hangsForEver, timeScale: 0.1)
        let options = SuiteOptions(patterns: ["core.spawn.handle"])
        // That the run ends while the call still hangs is the proof; how long it took says nothing on a busy machine.
        let report = await DriverSuite(subject, options).run()
        #expect(subject.world.hangingCount == 1)
        subject.world.letGo()
        #expect(report.failures.first?.reason?.contains("did not end within") == true)
    }

    @Test func whatACaseLeavesOnTheHypervisorFailsIt() async throws {
        let subject = try PlainSubject(.leaks, timeScale: 0.05)
        let report = await DriverSuite(subject, SuiteOptions(patterns: ["core.spawn.off", "core.health"])).run()
        #expect(report.results.map(\.outcome) == [.failed, .passed])
        #expect(report.failures.first?.reason?.contains("left behind: debris 0") == true)
    }

    @Test func everythingThatCasesMadeIsRemoved() async throws {
        let subject = try PlainSubject()
        _ = await DriverSuite(subject, SuiteOptions(patterns: ["core.*"])).run()
        #expect(subject.world.lines.isEmpty)
    }

    @Test func aDriverThatDoesNotStartFailsAndTheRestIsNotShown() async throws {
        let report = await DriverSuite(try PlainSubject(.throwsAtStart), SuiteOptions(quick: true)).run()
        #expect(report.failures.map(\.id) == ["core.start"])
        #expect(report.failures.first?.reason == "unreachable (there is no hypervisor)")
        #expect(report.results.dropFirst().allSatisfy { $0.outcome == .notShown })
    }

    @Test func theFirstFailureEndsTheRunOnRequest() async throws {
        let subject = try PlainSubject(.leaks, timeScale: 0.05)
        let options = SuiteOptions(patterns: ["core.destroy*"], stopsAtFirstFailure: true)
        let report = await DriverSuite(subject, options).run()
        #expect(report.results.count == 1)
    }

    @Test func progressNamesEveryCase() async throws {
        let lines = Locked<[String]>([])
        let options = SuiteOptions(patterns: ["core.guests*"], seed: 42)
        let report = await DriverSuite(try PlainSubject(), options).run { line in lines.with { $0.append(line) } }
        let told = lines.with { $0 }
        #expect(told.count == report.results.count + 2)
        #expect(told.first?.contains("seed 42") == true)
        for (line, result) in zip(told.dropFirst(), report.results) { #expect(line.contains(result.id)) }
    }

    @Test(arguments: [
        ("core.spawn", "core.spawn", true), ("core.spawn.stale", "core.spawn", false), ("core.spawn", "core.*", true),
        ("core.spawn.stale", "*.stale", true), ("core.spawn.stale", "core.*.stale", true),
        ("core.stale", "core.*.stale", false), ("volumes.attach", "core.*", false), ("anything", "*", true),
        ("core.spawn.many", "*spawn*", true),
    ])
    func patternsChooseCases(id: String, pattern: String, isChosen: Bool) throws {
        let known = try #require(ConformanceCase.all.first)
        #expect(SuiteOptions(patterns: [pattern]).matches(id) == isChosen)
        #expect(SuiteOptions().chooses(known))
    }
}

import ComputeModel
import DriverAPI

extension CallProbe {
    static let setPassword = CallProbe(
        id: "passwords.set", deed: "setting a guest's password", feature: .setPassword,
        needs: [.capability(.passwords)], parts: [.agent], rehearsal: "set_password",
        aspects: [.does, .repeated, .stale, .absent, .foreign, .fails, .cancelled, .killed],
        make: spawnWithAgent(for: "set_password"),
        perform: { _, arranged, call in
            try await arranged.capabilities.passwords?.setPassword(
                "conformance-1", user: nil, of: arranged.id, call)
        },
        verify: { bench, arranged in
            let password = try await bench.subject.insight?.password(of: arranged.id)
            try check(password == nil || password == "conformance-1", "the guest has another password")
        })

    static let quiesce = CallProbe(
        id: "quiescing.quiesce", deed: "freezing a guest's file systems", feature: .quiesce,
        needs: [.capability(.quiescing)], parts: [.agent], rehearsal: "quiesce",
        aspects: [.does, .repeated, .stale, .absent, .foreign, .fails, .cancelled, .killed],
        make: spawnWithAgent(for: "quiesce"),
        perform: { _, arranged, call in try await arranged.capabilities.quiescing?.quiesce(arranged.id, call) },
        verify: { bench, arranged in
            let isQuiet = try await bench.subject.insight?.isQuiet(arranged.id)
            try check(isQuiet != false, "after quiesce the file systems are not frozen")
        })

    static let unquiesce = CallProbe(
        id: "quiescing.unquiesce", deed: "thawing a guest's file systems", feature: .unquiesce,
        needs: [.capability(.quiescing)], parts: [.agent], rehearsal: "unquiesce",
        aspects: [.does, .repeated, .stale, .absent, .foreign, .fails, .cancelled],
        make: spawnWithAgent(for: "unquiesce"),
        position: { bench, arranged in try await arranged.capabilities.quiescing?.quiesce(arranged.id, bench.call()) },
        perform: { _, arranged, call in try await arranged.capabilities.quiescing?.unquiesce(arranged.id, call) },
        verify: { bench, arranged in
            let isQuiet = try await bench.subject.insight?.isQuiet(arranged.id)
            try check(isQuiet != true, "after unquiesce the file systems are still frozen")
        })

    static let setClock = CallProbe(
        id: "clocks.set", deed: "setting a guest's clock", feature: nil, needs: [.capability(.clocks)],
        parts: [.agent], rehearsal: "set_clock",
        aspects: [.does, .repeated, .stale, .absent, .foreign, .fails, .cancelled, .killed],
        make: spawnWithAgent(for: "set_clock"),
        perform: { _, arranged, call in try await arranged.capabilities.clocks?.setClock(of: arranged.id, call) },
        verify: { bench, arranged in
            let count = try await bench.subject.insight?.clockSettings(of: arranged.id)
            try check(count != 0, "the guest's clock was not set")
        })
}

extension ConformanceCase {
    /// What goes through an agent in the guest.
    static let agentCases: [ConformanceCase] = {
        var list = CaseList()
        addPasswordCases(&list)
        addQuiesceCases(&list)
        list.add(
            "clocks.no-agent", nil, "Setting the clock of a guest without an agent is not supported",
            needs: [.capability(.clocks)]
        ) { bench in
            let guest = try await bench.spawnWithoutAgent()
            let (clocks, call) = (try unwrap(bench.capabilities.clocks, "no clocks"), bench.call())
            try await expectError([.notSupported, .timedOut], from: "setting a clock without an agent") {
                try await clocks.setClock(of: guest.id, call)
            }
        }
        return CallProbe.setPassword.cases + CallProbe.quiesce.cases + CallProbe.unquiesce.cases
            + CallProbe.setClock.cases + list.cases
    }()

    private static func addPasswordCases(_ list: inout CaseList) {
        let needs = [ConformanceNeed.capability(.passwords)]
        list.add(
            "passwords.user", .setPassword, "The password of a named user is set", needs: needs, parts: [.agent]
        ) { bench in
            let guest = try await bench.spawnWithAgent()
            try await bench.passwords().setPassword("conformance-2", user: "root", of: guest.id, bench.call())
        }
        list.add(
            "passwords.odd", .setPassword, "A password of odd characters is set and never logged", needs: needs,
            parts: [.agent]
        ) { bench in
            let guest = try await bench.spawnWithAgent()
            let password = "ä'\"\\ <&>;$(x)`日本-conformance"
            try await bench.passwords().setPassword(password, user: nil, of: guest.id, bench.call())
            let found = try await bench.subject.insight?.password(of: guest.id)
            try check(found == nil || found == password, "the guest has another password")
            let isTold = bench.subject.host.logged.contains { $0.contains("日本-conformance") }
            try check(!isTold, "the password stands in the log")
        }
        list.add(
            "passwords.no-agent", .setPassword, "Setting the password of a guest without an agent is not supported",
            needs: needs
        ) { bench in
            let guest = try await bench.spawnWithoutAgent()
            let before = try await bench.observe(guest.id)
            let (passwords, call) = (try bench.passwords(), bench.call())
            // An agent that is announced and absent can be told from none only by its silence.
            try await expectError([.notSupported, .timedOut], from: "setting a password without an agent") {
                try await passwords.setPassword("conformance", user: nil, of: guest.id, call)
            }
            try await bench.expectUnchanged(guest.id, since: before, "after a refused password")
        }
    }

    private static func addQuiesceCases(_ list: inout CaseList) {
        let needs = [ConformanceNeed.capability(.quiescing)]
        list.add(
            "quiescing.quiesce.frozen", .quiesce, "Freezing frozen file systems succeeds", needs: needs,
            parts: [.agent]
        ) { bench in
            let (guest, quiescing) = (try await bench.spawnWithAgent(), try bench.quiescing())
            try await quiescing.quiesce(guest.id, bench.call())
            try await quiescing.quiesce(guest.id, bench.call())
            try await quiescing.unquiesce(guest.id, bench.call())
            let isQuiet = try await bench.subject.insight?.isQuiet(guest.id)
            try check(isQuiet != true, "after unquiesce the file systems are still frozen")
        }
        list.add(
            "quiescing.unquiesce.not-frozen", .unquiesce, "Thawing file systems that are not frozen succeeds",
            needs: needs, parts: [.agent]
        ) { bench in
            let guest = try await bench.spawnWithAgent()
            try await bench.quiescing().unquiesce(guest.id, bench.call())
        }
        list.add(
            "quiescing.thaws", .unquiesce, "File systems that nobody thaws are thawed by the driver within a minute",
            needs: needs, parts: [.agent], deadline: .seconds(120)
        ) { bench in
            guard let insight = bench.subject.insight else {
                throw CaseSkip.notShown("whether file systems are frozen cannot be seen")
            }
            let guest = try await bench.spawnWithAgent()
            try await bench.quiescing().quiesce(guest.id, bench.call())
            guard try await insight.isQuiet(guest.id) != nil else {
                throw CaseSkip.notShown("whether file systems are frozen cannot be seen")
            }
            let end = ContinuousClock.now + bench.limits.quiesceLimit + bench.limits.scaled(.seconds(5))
            while try await insight.isQuiet(guest.id) == true {
                try check(ContinuousClock.now < end, "after \(bench.limits.quiesceLimit) the file systems are frozen")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        list.add(
            "quiescing.no-agent", .quiesce, "Freezing a guest without an agent is not supported", needs: needs
        ) { bench in
            let guest = try await bench.spawnWithoutAgent()
            let (quiescing, call) = (try bench.quiescing(), bench.call())
            try await expectError([.notSupported, .timedOut], from: "freezing a guest without an agent") {
                try await quiescing.quiesce(guest.id, call)
            }
        }
    }
}

extension Bench {
    func passwords() throws -> any SettingPasswords { try unwrap(capabilities.passwords, "no passwords") }
    func quiescing() throws -> any QuiescingGuests { try unwrap(capabilities.quiescing, "no quiescing") }

    /// Makes a guest that has no agent.
    func spawnWithoutAgent() async throws -> TestGuest {
        let images = subject.images
        guard images.agent?.id != images.boot.id else { throw CaseSkip.notShown("every guest here has an agent") }
        return try await spawn()
    }
}

extension Bench {
    /// Makes a guest whose agent answers: waits until the guest has booted that far.
    ///
    /// - Parameters:
    ///   - metadata: what the guest rehearses.
    ///   - examined: the call that the case is about, by its name in rehearsals; the agent is asked by another one, so
    ///     that neither a rehearsed failure is used up nor the call's effect is there before it.
    func spawnWithAgent(metadata: [String: String] = [:], examined: String? = nil) async throws -> TestGuest {
        guard let image = subject.images.agent else { throw CaseSkip.notShown(SubjectPart.agent.absence) }
        let guest = try await spawn(metadata: metadata) { $0.image = image }
        let questions = questions(for: guest.id)
        // A driver with one call for agents is asked by that one, as long as nothing is rehearsed.
        let question = questions.first { $0.call != examined } ?? (metadata.isEmpty ? questions.first : nil)
        guard let question else { return guest }
        try await eventually("the guest's agent answers", within: .seconds(20), every: .milliseconds(10)) {
            do {
                try await question.ask()
                return true
            } catch {
                guard ErrorKind.of(error) == .timedOut else {
                    throw CaseFailure(description: "asking whether the agent answers threw \(told(error))")
                }
                return false
            }
        }
        return guest
    }

    /// A call that goes through an agent and does no harm.
    private struct AgentQuestion: Sendable {
        /// Its name in rehearsals.
        let call: String
        let ask: @Sendable () async throws -> Void
    }

    /// Such calls that the driver declares, the most harmless one first.
    private func questions(for guest: GuestID) -> [AgentQuestion] {
        var questions: [AgentQuestion] = []
        if let quiescing = capabilities.quiescing {
            questions.append(
                AgentQuestion(call: "unquiesce") { [self] in try await quiescing.unquiesce(guest, call()) })
        }
        if let clocks = capabilities.clocks {
            questions.append(
                AgentQuestion(call: "set_clock") { [self] in try await clocks.setClock(of: guest, call()) })
        }
        if let passwords = capabilities.passwords {
            questions.append(
                AgentQuestion(call: "set_password") { [self] in
                    try await passwords.setPassword("conformance-0", user: nil, of: guest, call())
                })
        }
        return questions
    }
}

import Logging
@testable import NetworkAgent
import Testing

@Suite struct HostCommandTests {
    private let command = HostCommand(place: .here, logger: .silent)

    @Test func aCommandReadsItsInputAndIsHeardOut() async throws {
        let text = String(repeating: "a line of text\n", count: 40_000)
        let output = try await command.run(["cat"], input: text)
        #expect(output.text == text)
    }

    @Test func argumentsAreNotInterpreted() async throws {
        let output = try await command.run(["printf", "%s|", "a b", "$HOME", "*", "; exit 3"])
        #expect(output.text == "a b|$HOME|*|; exit 3|")
    }

    @Test func aFailureSaysWhatTheCommandSaid() async {
        await #expect(throws: HostCommandFailure(
            command: "sh -c echo oh dear >&2; exit 3", reason: .status(3), complaint: "oh dear")
        ) { try await command.run(["sh", "-c", "echo oh dear >&2; exit 3"]) }
    }

    @Test func aProgramThatIsNotThereIsSaidToBeMissing() async {
        await #expect(throws: HostCommandFailure(command: "no-such-program -x", reason: .missing)) {
            try await command.run(["no-such-program", "-x"])
        }
    }

    @Test func aCommandThatTakesTooLongIsEnded() async {
        let started = ContinuousClock.now
        let limit = Duration.milliseconds(200)
        await #expect(throws: HostCommandFailure(command: "sleep 60", reason: .timedOut(limit))) {
            try await command.run(["sleep", "60"], timeout: limit)
        }
        #expect(ContinuousClock.now - started < .seconds(20))
    }

    @Test func whatGoesOnInTheBackgroundIsNotWaitedFor() async throws {
        let started = ContinuousClock.now
        let output = try await command.run(["sh", "-c", "sleep 30 & echo done"])
        #expect(output.text == "done\n")
        #expect(ContinuousClock.now - started < .seconds(20))
    }

    @Test func aSignalIsTold() async {
        await #expect(throws: HostCommandFailure(command: "sh -c kill -9 $$", reason: .signal(9))) {
            try await command.run(["sh", "-c", "kill -9 $$"])
        }
    }

    @Test func manyCommandsAtOnceTakeTurns() async throws {
        let command = command
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<40 {
                group.addTask { Int(try await command.run(["printf", "\(number)"]).text) ?? -1 }
            }
            return try await group.reduce(0, +)
        }
        #expect(total == 780)
    }
}

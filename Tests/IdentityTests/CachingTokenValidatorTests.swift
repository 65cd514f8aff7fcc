import ComputeModel
import DriverAPI
import Identity
import Testing

/// Answers from a table, counts, and can hold its answers back.
private final class FakeValidator: TokenValidating {
    struct State {
        var answers: [String: Result<TokenFacts, TokenRefusal>] = [:]
        var counts: [String: Int] = [:]
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
    }
    let state = Locked(State())

    func validate(_ token: String) async throws(TokenRefusal) -> TokenFacts {
        let isHeld = state.with { state in
            state.counts[token, default: 0] += 1
            return state.isHeld
        }
        if isHeld { await withCheckedContinuation { held in state.with { $0.held.append(held) } } }
        guard let answer = state.with({ $0.answers[token] }) else { throw .invalid }
        return try answer.get()
    }

    func set(_ token: String, _ answer: Result<TokenFacts, TokenRefusal>) {
        state.with { $0.answers[token] = answer }
    }
    func count(_ token: String) -> Int { state.with { $0.counts[token] ?? 0 } }
    func hold() { state.with { $0.isHeld = true } }
    func release() {
        let held = state.with { state in
            defer { state.held = [] }
            state.isHeld = false
            return state.held
        }
        for continuation in held { continuation.resume() }
    }
    var heldCount: Int { state.with { $0.held.count } }
}

/// A clock that tests move.
private final class ManualClock: Sendable {
    private let passed = Locked(Duration.zero)
    private let start = ContinuousClock.now
    func advance(_ duration: Duration) { passed.with { $0 += duration } }
    var clock: TokenClock {
        TokenClock(
            wall: { Timestamp(seconds: 1000) + self.passed.with { $0 } },
            steady: { self.start + self.passed.with { $0 } })
    }
}

@Suite struct CachingTokenValidatorTests {
    private let inner = FakeValidator()
    private let time = ManualClock()

    private func cache(limit: Int = 100) -> CachingTokenValidator {
        CachingTokenValidator(inner, limit: limit, clock: time.clock)
    }

    @Test func aTokenIsCheckedOnceAMinute() async throws {
        let cache = cache()
        inner.set("t", .success(facts(roles: ["member"])))
        #expect(cache.cached("t") == nil)
        for _ in 0..<5 { _ = try await cache.validate("t") }
        #expect(cache.cached("t")?.roles == ["member"])
        #expect(inner.count("t") == 1)
        time.advance(.seconds(60))
        #expect(cache.cached("t") == nil)
        _ = try await cache.validate("t")
        #expect(inner.count("t") == 2)
    }

    @Test func aTokenEndsWhenItSaysSo() async throws {
        let cache = cache()
        inner.set("t", .success(facts(roles: [], expires: Timestamp(seconds: 1010))))
        _ = try await cache.validate("t")
        time.advance(.seconds(10))
        #expect(cache.cached("t") == nil)
        await #expect(throws: TokenRefusal.expired) { try await cache.validate("t") }
    }

    @Test func refusalsAreKeptForSecondsAndUnavailabilityNotAtAll() async throws {
        let cache = cache()
        await #expect(throws: TokenRefusal.invalid) { try await cache.validate("x") }
        await #expect(throws: TokenRefusal.invalid) { try await cache.validate("x") }
        #expect(inner.count("x") == 1)
        inner.set("x", .success(facts(roles: [])))
        time.advance(.seconds(5))
        _ = try await cache.validate("x")
        inner.set("y", .failure(.unavailable("down")))
        await #expect(throws: TokenRefusal.unavailable("down")) { try await cache.validate("y") }
        inner.set("y", .success(facts(roles: [])))
        _ = try await cache.validate("y")
    }

    @Test func theOldestTokensAreForgottenFirstAndFalseOnesDriveNoneOut() async throws {
        let cache = cache(limit: 10)
        for number in 0..<25 {
            inner.set("t\(number)", .success(facts(roles: [])))
            _ = try await cache.validate("t\(number)")
            _ = try? await cache.validate("false\(number)")
        }
        let kept = (0..<25).filter { cache.cached("t\($0)") != nil }
        #expect(kept == Array(15..<25))
    }

    @Test func tokensAreForgottenByTokenUserAndProject() async throws {
        let cache = cache()
        inner.set("a", .success(facts("u1", project: "p1", roles: [])))
        inner.set("b", .success(facts("u2", project: "p1", roles: [])))
        inner.set("c", .success(facts("u2", project: "p2", roles: [])))
        func fill() async throws { for token in ["a", "b", "c"] { _ = try await cache.validate(token) } }
        func left() -> String { ["a", "b", "c"].filter { cache.cached($0) != nil }.joined() }
        try await fill()
        cache.invalidate(token: "a")
        #expect(left() == "bc")
        try await fill()
        cache.invalidate(userID: "u2")
        #expect(left() == "a")
        try await fill()
        cache.invalidate(projectID: "p1")
        #expect(left() == "c")
        cache.invalidateAll()
        #expect(left() == "")
    }

    @Test(.timeLimit(.minutes(1))) func requestsAtTheSameTimeShareOneCheck() async throws {
        let cache = cache()
        inner.set("t", .success(facts(roles: [])))
        inner.hold()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await cache.validate("t") } }
            while inner.heldCount == 0 { await Task.yield() }
            inner.release()
            try await group.waitForAll()
        }
        #expect(inner.count("t") == 1)
    }

    @Test(.timeLimit(.minutes(1))) func whatIsInvalidatedWhileItIsCheckedIsNotKept() async throws {
        let cache = cache()
        inner.set("t", .success(facts(roles: [])))
        inner.hold()
        async let first = cache.validate("t")
        while inner.heldCount == 0 { await Task.yield() }
        cache.invalidate(userID: "u1")
        inner.release()
        _ = try await first
        #expect(cache.cached("t") == nil)
    }
}

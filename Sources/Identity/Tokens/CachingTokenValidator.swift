import ComputeModel
import DriverAPI
package import ServiceOptions

/// Remembers checked tokens for a short while, so that a token in use costs one check a minute.
///
/// - What was checked is believed for at most a minute and never beyond the token's end.
/// - At most so many tokens are kept; the oldest go first. Refused tokens are kept apart, a few seconds, so that
///   a flood of false tokens neither reaches the identity service each time nor drives out the true ones.
/// - Requests with the same token that come at the same time wait for one check.
/// - What is invalidated while it is being checked is not kept.
package final class CachingTokenValidator: TokenValidating {
    private struct Entry: Sendable {
        var facts: TokenFacts
        var until: ContinuousClock.Instant
        var number: UInt64
    }
    private struct Refused: Sendable {
        var refusal: TokenRefusal
        var until: ContinuousClock.Instant
    }
    private struct State: Sendable {
        var entries: [String: Entry] = [:]
        /// Tokens with the numbers of their entries, oldest first, with forgotten ones in between.
        var order: [(token: String, number: UInt64)] = []
        var refused: [String: Refused] = [:]
        var checks: [String: Task<Result<TokenFacts, TokenRefusal>, Never>] = [:]
        var lastNumber: UInt64 = 0
        /// Counts invalidations: a check begun before one is not kept.
        var generation = 0

        func facts(of token: String, _ wall: Timestamp, _ steady: ContinuousClock.Instant) -> TokenFacts? {
            guard let entry = entries[token], entry.until > steady, entry.facts.expiresAt > wall else { return nil }
            return entry.facts
        }
    }
    private let state = Locked(State())
    private let inner: any TokenValidating
    private let lifetime: Duration
    private let refusalLifetime: Duration
    private let limit: Int
    private let refusedLimit: Int
    private let clock: TokenClock

    /// - Parameters:
    ///   - lifetime: how long a checked token is believed; a minute at most, whatever is given.
    ///   - refusalLifetime: how long a refused one is.
    ///   - limit: how many tokens are kept.
    package init(
        _ inner: any TokenValidating, lifetime: Duration = .seconds(60), refusalLifetime: Duration = .seconds(5),
        limit: Int = 10_000, clock: TokenClock = .system
    ) {
        self.inner = inner
        self.lifetime = min(lifetime, .seconds(60))
        self.refusalLifetime = min(refusalLifetime, lifetime)
        self.limit = max(1, limit)
        refusedLimit = max(1, limit / 10)
        self.clock = clock
    }

    /// With what the operator configured.
    package convenience init(_ inner: any TokenValidating, options: TokenOptions, clock: TokenClock = .system) {
        self.init(inner, lifetime: options.cacheTime, limit: options.cacheSize, clock: clock)
    }

    /// What is known about a token without asking anybody: the fast path, without suspension.
    package func cached(_ token: String) -> TokenFacts? {
        let (wall, steady) = (clock.wall(), clock.steady())
        return state.with { $0.facts(of: token, wall, steady) }
    }

    package func validate(_ token: String) async throws(TokenRefusal) -> TokenFacts {
        if let facts = cached(token) { return facts }
        let (wall, steady) = (clock.wall(), clock.steady())
        let check = state.with { state -> Task<Result<TokenFacts, TokenRefusal>, Never> in
            // A check that was under way a moment ago may have ended.
            if let facts = state.facts(of: token, wall, steady) { return Task { .success(facts) } }
            if let refused = state.refused[token], refused.until > steady { return Task { .failure(refused.refusal) } }
            if let running = state.checks[token] { return running }
            let generation = state.generation
            // Detached: it serves several requests, so none of them may cancel it or lend it its values.
            let check = Task.detached { await self.check(token, generation) }
            state.checks[token] = check
            return check
        }
        return try await check.value.get()
    }

    /// Forgets one token, as after it was revoked.
    package func invalidate(token: String) { forget { key, _ in key == token } }
    /// Forgets a user's tokens, as after the password or a role changed.
    package func invalidate(userID: String) { forget { _, facts in facts?.userID == userID } }
    /// Forgets a project's tokens, as after it was disabled.
    package func invalidate(projectID: String) { forget { _, facts in facts?.projectID == projectID } }
    /// Forgets everything.
    package func invalidateAll() { forget { _, _ in true } }

    private func forget(where isMeant: (String, TokenFacts?) -> Bool) {
        state.with { state in
            state.generation += 1
            // Checks under way are not joined any more: what they find may be old.
            state.checks = [:]
            state.entries = state.entries.filter { !isMeant($0.key, $0.value.facts) }
            state.refused = state.refused.filter { !isMeant($0.key, nil) }
        }
    }

    private func check(_ token: String, _ generation: Int) async -> Result<TokenFacts, TokenRefusal> {
        let result: Result<TokenFacts, TokenRefusal>
        do throws(TokenRefusal) {
            let facts = try await inner.validate(token)
            result = facts.expiresAt > clock.wall() ? .success(facts) : .failure(.expired)
        } catch {
            result = .failure(error)
        }
        let steady = clock.steady()
        state.with { state in
            guard state.generation == generation else { return }
            state.checks[token] = nil
            switch result {
            case .success(let facts): keep(facts, of: token, steady, &state)
            // Asking again may succeed.
            case .failure(.unavailable): break
            case .failure(let refusal):
                state.entries[token] = nil
                if state.refused.count >= refusedLimit {
                    state.refused = state.refused.filter { $0.value.until > steady }
                }
                guard state.refused.count < refusedLimit else { return }
                state.refused[token] = Refused(refusal: refusal, until: steady + refusalLifetime)
            }
        }
        return result
    }

    private func keep(
        _ facts: TokenFacts, of token: String, _ steady: ContinuousClock.Instant, _ state: inout State
    ) {
        guard lifetime > .zero else { return }
        state.lastNumber += 1
        state.entries[token] = Entry(facts: facts, until: steady + lifetime, number: state.lastNumber)
        state.order.append((token, state.lastNumber))
        var dropped = 0
        while dropped < state.order.count {
            let oldest = state.order[dropped]
            let entry = state.entries[oldest.token]
            let isCurrent = entry?.number == oldest.number
            if isCurrent, state.entries.count <= limit, entry.map({ $0.until > steady }) ?? false { break }
            if isCurrent { state.entries[oldest.token] = nil }
            dropped += 1
        }
        state.order.removeFirst(dropped)
    }
}

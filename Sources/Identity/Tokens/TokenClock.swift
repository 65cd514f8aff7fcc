package import ComputeModel

/// The two times that token checks need.
package struct TokenClock: Sendable {
    /// The time of day, for the end of tokens.
    package var wall: @Sendable () -> Timestamp
    /// A time that nobody sets, for the age of what is kept.
    package var steady: @Sendable () -> ContinuousClock.Instant

    package init(
        wall: @escaping @Sendable () -> Timestamp, steady: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        (self.wall, self.steady) = (wall, steady)
    }

    /// The machine's clocks.
    package static let system = TokenClock(wall: { .now() }, steady: { .now })
}

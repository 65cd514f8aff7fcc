/// What goes wrong on the way, for tests. The same seed makes the same decisions in the same order of messages.
package struct FaultPlan: Sendable, Hashable {
    package var seed: UInt64
    /// The share of messages that vanish after they were accepted, 0 to 1.
    package var requestLoss: Double
    /// The share of answers that vanish.
    package var replyLoss: Double
    /// The share of messages that are delivered twice.
    package var duplication: Double
    /// The share of messages and answers that are late, and by how much.
    package var lateness: Double
    package var delay: ClosedRange<Duration>
    /// The share of messages that jump the queue: they are worked on before those that wait.
    package var reordering: Double

    package init(
        seed: UInt64, requestLoss: Double = 0, replyLoss: Double = 0, duplication: Double = 0, lateness: Double = 0,
        delay: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(5)), reordering: Double = 0
    ) {
        (self.seed, self.requestLoss, self.replyLoss) = (seed, requestLoss, replyLoss)
        (self.duplication, self.lateness, self.delay) = (duplication, lateness, delay)
        self.reordering = reordering
    }
}

/// Draws the decisions of a plan.
struct FaultDice: Sendable {
    struct Fate: Sendable {
        var isLost = false
        var copies = 1
        var delay: Duration?
        var jumpsQueue = false
    }

    private let plan: FaultPlan
    private var generator: SplitMix

    init(_ plan: FaultPlan) { (self.plan, generator) = (plan, SplitMix(state: plan.seed)) }

    mutating func request() -> Fate {
        Fate(
            isLost: draw(plan.requestLoss), copies: draw(plan.duplication) ? 2 : 1,
            delay: draw(plan.lateness) ? drawDelay() : nil, jumpsQueue: draw(plan.reordering))
    }

    mutating func reply() -> Fate {
        Fate(isLost: draw(plan.replyLoss), delay: draw(plan.lateness) ? drawDelay() : nil)
    }

    private mutating func draw(_ share: Double) -> Bool {
        // Drawn even for a share of zero, so that a changed share leaves the other decisions as they were.
        Double.random(in: 0..<1, using: &generator) < share
    }

    private mutating func drawDelay() -> Duration {
        plan.delay.lowerBound + (plan.delay.upperBound - plan.delay.lowerBound)
            * Double.random(in: 0...1, using: &generator)
    }
}

/// A small generator whose numbers depend on its seed alone.
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(state: UInt64) { self.state = state }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

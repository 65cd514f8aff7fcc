import DriverAPI

/// What options ask of a call on every guest.
struct RehearsalPlan: Hashable, Sendable {
    /// Seconds that it takes.
    var delaySeconds: Double = 0
    /// How it fails; `nil` for success.
    var failure: FailureKind?
    /// Only so many first attempts on one guest fail; `nil` for all.
    var failFirst: Int?

    /// Adds what one word of the option `rehearse` says: `attach_volume:fail=busy`.
    static func add(_ word: String, to plans: inout [Call: RehearsalPlan]) throws(DriverError) {
        let sides = word.split(separator: "=", maxSplits: 1).map(String.init)
        let names = (sides.first ?? "").split(separator: ":").map(String.init)
        guard sides.count == 2, names.count == 2 else {
            throw bad(word, "write CALL:delay=SECONDS, CALL:fail=KIND or CALL:fail_first=COUNT")
        }
        guard let call = Call(rawValue: names[0]) else {
            let all = Call.allCases.map(\.rawValue).joined(separator: ", ")
            throw bad(word, "there is no call '\(names[0])'; calls are \(all)")
        }
        var plan = plans[call] ?? RehearsalPlan()
        switch names[1] {
        case "delay":
            guard let seconds = Double(sides[1]), seconds >= 0, seconds <= 86_400 else {
                throw bad(word, "a delay is a number of seconds, at most a day")
            }
            plan.delaySeconds = seconds
        case "fail":
            guard let kind = FailureKind(rawValue: sides[1]) else {
                let all = FailureKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw bad(word, "there is no failure '\(sides[1])'; failures are \(all)")
            }
            plan.failure = kind
        case "fail_first":
            guard let count = Int(sides[1]), count >= 0 else { throw bad(word, "fail_first is a count") }
            plan.failFirst = count
        default:
            throw bad(word, "'\(names[1])' is none of delay, fail and fail_first")
        }
        plans[call] = plan
    }

    private static func bad(_ word: String, _ remedy: String) -> DriverError {
        .badConfiguration("[fake] rehearse: '\(word)' cannot be used: \(remedy)")
    }
}

import ComputeModel
import DriverAPI

/// Delays and failures on request.
///
/// Options set them for every guest; server metadata for one, and counts more:
/// - `fake:<call>:delay` = seconds; the calls are those of ``Call``.
/// - `fake:<call>:fail` = one of ``FailureKind``.
/// - `fake:<call>:fail_first` = n: only the first n attempts on this node fail.
struct Rehearsal: Sendable {
    private let plans: [Call: RehearsalPlan]
    private let attempts = Locked<[String: Int]>([:])
    /// More failing guests than that are counted from one again.
    private static let countedMax = 100_000

    init(plans: [Call: RehearsalPlan]) { self.plans = plans }

    /// How long a call shall take; `nil` for no delay.
    func delay(_ call: Call, metadata: [String: String]) -> Duration? {
        let asked = metadata.isEmpty ? nil : metadata["fake:\(call.rawValue):delay"].flatMap { Double($0) }
        let seconds = asked ?? plans[call]?.delaySeconds ?? 0
        return seconds > 0 ? .seconds(min(seconds, 86_400)) : nil
    }

    /// The failure that was asked for this attempt; `nil` for success. Counts the attempt.
    func failure(_ call: Call, of subject: String, metadata: [String: String]) -> DriverError? {
        let name = call.rawValue
        let asked = metadata.isEmpty ? nil : metadata["fake:\(name):fail"]
        guard let kind = asked ?? plans[call]?.failure?.rawValue else { return nil }
        let key = "\(subject)/\(name)"
        let attempt = attempts.with { attempts in
            if attempts.count >= Self.countedMax { attempts = [:] }
            attempts[key, default: 0] += 1
            return attempts[key] ?? 0
        }
        let first = metadata["fake:\(name):fail_first"].flatMap { Int($0) } ?? plans[call]?.failFirst
        if let first, attempt > first { return nil }
        guard let failure = FailureKind(rawValue: kind) else {
            return .refused("'\(kind)' is not a failure that the fake driver can rehearse")
        }
        return failure.error("rehearsed \(name) failure of \(subject), attempt \(attempt)")
    }
}

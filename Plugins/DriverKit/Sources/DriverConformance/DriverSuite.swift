/// Version of the conformance suite; a report names it.
public let conformanceSuiteVersion = "1.0"

/// Which cases run, and how.
public struct SuiteOptions: Sendable {
    /// Only everyday's subset: one case for each thing that a driver does.
    public var quick: Bool
    /// Only cases whose identifier matches one of these patterns, in which `*` stands for any text; empty for all.
    public var patterns: [String]
    /// Whether the first failure ends the run; the cases after it are left out of the report.
    public var stopsAtFirstFailure: Bool
    /// The seed of what is random; the report names it, so that a failure can be repeated.
    public var seed: UInt64

    /// Options; by default every case.
    public init(
        quick: Bool = false, patterns: [String] = [], stopsAtFirstFailure: Bool = false, seed: UInt64 = 1
    ) {
        self.quick = quick
        self.patterns = patterns
        self.stopsAtFirstFailure = stopsAtFirstFailure
        self.seed = seed
    }

    /// Whether a case is chosen.
    public func chooses(_ candidate: ConformanceCase) -> Bool {
        if quick, !candidate.isQuick { return false }
        return matches(candidate.id)
    }

    /// Whether an identifier matches one of the patterns, or there are none.
    public func matches(_ id: String) -> Bool { patterns.isEmpty || patterns.contains { Self.matches(id, $0) } }

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return text == pattern }
        guard text.hasPrefix(first), text.count >= first.count + last.count, text.hasSuffix(last) else { return false }
        var rest = text.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }
}

/// Examines a driver.
///
/// ```swift
/// let report = await DriverSuite(subject, SuiteOptions(quick: true)).run { line in … }
/// guard report.isPassed else { … report.table() … }
/// ```
public struct DriverSuite: Sendable {
    private let subject: any ConformanceSubject
    private let options: SuiteOptions

    /// A suite for one run over the subject.
    public init(_ subject: any ConformanceSubject, _ options: SuiteOptions = SuiteOptions()) {
        self.subject = subject
        self.options = options
    }

    /// Runs the cases one after the other, cleans up after each, ends the driver and closes the subject. Never throws:
    /// whatever goes wrong is in the report. A cancelled run ends after the case that runs and its cleaning up.
    ///
    /// - Parameter progress: told one line when the run begins, one for each case, and one at the end.
    public func run(progress: @escaping @Sendable (String) -> Void = { _ in }) async -> ConformanceReport {
        let begun = ContinuousClock.now
        let chosen = ConformanceCase.all.filter(options.chooses)
        progress("\(subject.name): \(chosen.count) cases of suite \(conformanceSuiteVersion), seed \(options.seed)")
        let session = SuiteSession(subject, options)
        var report = ConformanceReport(
            subject: subject.name, facts: subject.facts, seed: options.seed, isQuick: options.quick)
        if let failure = await session.start() {
            report.results = chosen.map {
                ConformanceReport.Result(
                    id: $0.id, sentence: $0.sentence, feature: $0.feature, outcome: .notShown,
                    reason: "the driver does not start")
            }
            report.results.insert(
                ConformanceReport.Result(
                    id: "core.start", sentence: "The driver starts", feature: .launch, outcome: .failed,
                    reason: failure), at: 0)
        } else {
            report.capabilities = session.capabilities
            for (index, candidate) in chosen.enumerated() where !Task.isCancelled {
                let result = await session.run(candidate)
                report.results.append(result)
                progress(Self.line(result, index + 1, of: chosen.count))
                if options.stopsAtFirstFailure, result.outcome == .failed { break }
            }
        }
        await session.end()
        report.seconds = seconds(ContinuousClock.now - begun)
        progress(report.summary())
        return report
    }

    private static func line(_ result: ConformanceReport.Result, _ number: Int, of count: Int) -> String {
        let total = String(count)
        let place = String(repeating: " ", count: max(0, total.count - String(number).count)) + "\(number)/\(total)"
        let text = "[\(place)] \(result.id) \(result.outcome.rawValue) (\(rounded(result.seconds)) s)"
        return text + (result.reason.map { ": " + $0 } ?? "")
    }
}

/// A duration in seconds.
func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

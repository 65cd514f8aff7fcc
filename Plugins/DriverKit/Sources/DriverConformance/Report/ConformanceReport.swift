import Foundation

/// What a run of the suite found.
public struct ConformanceReport: Hashable, Codable, Sendable {
    /// How a case ended.
    public enum Outcome: String, Codable, CaseIterable, Sendable {
        /// The driver does what the sentence says.
        case passed
        /// It does not.
        case failed
        /// It says by its capabilities that it does not do this.
        case notDeclared = "not-declared"
        /// The place of the run lacks what the case needs, so it says nothing about the driver.
        case notShown = "not-shown"
    }

    /// One case.
    public struct Result: Hashable, Codable, Sendable {
        /// The case's stable name.
        public var id: String
        /// What it shows, in one sentence.
        public var sentence: String
        /// The row of the support matrix that it belongs to; `nil` for what the matrix has no row for.
        public var feature: FeatureKey?
        /// How it ended.
        public var outcome: Outcome
        /// Why it failed or was skipped; `nil` when it passed.
        public var reason: String?
        /// How long it took, cleaning up included.
        public var seconds: Double

        /// A result.
        public init(
            id: String, sentence: String, feature: FeatureKey?, outcome: Outcome, reason: String? = nil,
            seconds: Double = 0
        ) {
            self.id = id
            self.sentence = sentence
            self.feature = feature
            self.outcome = outcome
            self.reason = reason
            self.seconds = seconds
        }
    }

    /// Which version of the suite ran.
    public var suiteVersion: String
    /// The name of the subject, a column of the support matrix.
    public var subject: String
    /// What else is worth knowing of the run: the hypervisor's version, how it was made.
    public var facts: [String: String]
    /// The seed of what was random.
    public var seed: UInt64
    /// Whether only everyday's subset ran.
    public var isQuick: Bool
    /// What the driver declared, as ``Capabilities/names`` has it.
    public var capabilities: [String]
    /// Cases in the order in which they ran.
    public var results: [Result]
    /// How long the run took.
    public var seconds: Double

    /// A report.
    public init(
        suiteVersion: String = conformanceSuiteVersion, subject: String, facts: [String: String] = [:],
        seed: UInt64 = 0, isQuick: Bool = false, capabilities: [String] = [], results: [Result] = [],
        seconds: Double = 0
    ) {
        self.suiteVersion = suiteVersion
        self.subject = subject
        self.facts = facts
        self.seed = seed
        self.isQuick = isQuick
        self.capabilities = capabilities
        self.results = results
        self.seconds = seconds
    }

    private enum CodingKeys: String, CodingKey {
        case suiteVersion = "suite_version"
        case subject
        case facts
        case seed
        case isQuick = "quick"
        case capabilities
        case results
        case seconds
    }

    /// How many cases ended so.
    public func count(_ outcome: Outcome) -> Int { results.count { $0.outcome == outcome } }

    /// The cases that failed.
    public var failures: [Result] { results.filter { $0.outcome == .failed } }

    /// Whether something was examined and nothing failed.
    public var isPassed: Bool { failures.isEmpty && count(.passed) > 0 }

    /// The report as JSON, keys sorted.
    public func json() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { return [] }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    /// Reads what ``json()`` wrote.
    public init(json: [UInt8]) throws {
        self = try JSONDecoder().decode(ConformanceReport.self, from: Data(json))
    }
}

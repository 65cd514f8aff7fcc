import Foundation

extension ConformanceReport {
    /// What a run says about one row of the support matrix.
    public enum Mark: String, Codable, CaseIterable, Sendable {
        /// At least one case passed and none failed.
        case complete
        /// A case failed.
        case failed
        /// The driver does not declare it, or the driver API has no word for it.
        case missing
        /// Every case needs something that the place of the run lacks.
        case notShown = "not shown"
    }

    /// The mark of a row.
    public func mark(of feature: FeatureKey) -> Mark {
        let outcomes = Set(results.filter { $0.feature == feature }.map(\.outcome))
        if outcomes.contains(.failed) { return .failed }
        if outcomes.contains(.passed) { return .complete }
        if outcomes.contains(.notShown) { return .notShown }
        return outcomes.isEmpty && feature.noWord == nil ? .notShown : .missing
    }
}

/// The page that says which driver does what. Made from reports of the suite; nobody writes it by hand.
public struct SupportMatrix: Sendable {
    /// A column each.
    public let reports: [ConformanceReport]

    /// A matrix over reports, columns in their order; of several about one subject the last one counts.
    public init(_ reports: [ConformanceReport]) {
        var kept: [ConformanceReport] = []
        for report in reports {
            if let index = kept.firstIndex(where: { $0.subject == report.subject }) {
                kept[index] = report
            } else {
                kept.append(report)
            }
        }
        self.reports = kept
    }

    /// A matrix over the reports that lie in a folder as JSON, columns by file name.
    public init(reportsIn folder: String) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
        self.init(
            try names.sorted().map { name in
                let data = try Data(contentsOf: URL(filePath: folder + "/" + name))
                return try ConformanceReport(json: Array(data))
            })
    }

    /// The page in Markdown.
    public func markdown() -> String {
        var lines = [
            "# What each driver does", "",
            "Generated from runs of the conformance suite (version \(conformanceSuiteVersion)); do not edit. "
                + "How: [the conformance suite](../driver-author-guide/conformance.md#the-support-matrix).", "",
            "| mark | meaning |", "|---|---|",
            "| complete | at least one case of the suite proves it, and none fails |",
            "| missing | the driver does not declare it, or the driver API has no word for it |",
            "| failed | the driver declares it, and a case fails |",
            "| not shown | it takes something that was absent where the suite ran |", "",
        ]
        lines.append("| # | key | feature | " + reports.map(\.subject).joined(separator: " | ") + " |")
        lines.append("|---|---|---|" + reports.map { _ in "---|" }.joined())
        for (index, feature) in FeatureKey.allCases.enumerated() {
            let title = feature.title + (feature.isMandatory ? " (mandatory)" : "")
            let marks = reports.map { $0.mark(of: feature).rawValue }
            lines.append("| \(index + 1) | `\(feature.rawValue)` | \(title) | \(marks.joined(separator: " | ")) |")
        }
        let totals = reports.map { report in
            let marks = FeatureKey.allCases.map { report.mark(of: $0) }
            return "\(marks.count { $0 == .complete }) of \(marks.count)"
        }
        lines.append("| | | complete | \(totals.joined(separator: " | ")) |")
        lines += ["", "## Runs", "", "| driver | cases | passed | failed | not declared | not shown | of what |"]
        lines.append("|---|---|---|---|---|---|---|")
        for report in reports {
            let facts = report.facts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            let counts = [report.results.count] + [.passed, .failed, .notDeclared, .notShown].map(report.count)
            let cells = [report.subject] + counts.map(String.init) + [facts.joined(separator: "; ")]
            lines.append("| \(cells.joined(separator: " | ")) |")
        }
        lines += reports.flatMap(notes)
        return lines.joined(separator: "\n") + "\n"
    }

    /// What was not shown or failed, with the reason, so that a mark can be understood.
    private func notes(_ report: ConformanceReport) -> [String] {
        var lines: [String] = []
        for outcome in [ConformanceReport.Outcome.failed, .notShown] {
            // Many cases lack the same thing.
            let results = report.results.filter { $0.outcome == outcome }
            var reasons: [String] = []
            for result in results where !reasons.contains(result.reason ?? "") { reasons.append(result.reason ?? "") }
            for reason in reasons {
                let cases = results.filter { ($0.reason ?? "") == reason }.map { "`\($0.id)`" }
                lines.append("- \(outcome.rawValue), \(reason): \(cases.joined(separator: ", "))")
            }
        }
        return lines.isEmpty ? [] : ["", "## \(report.subject): what failed or was not shown", ""] + lines
    }
}

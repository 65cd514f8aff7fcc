extension ConformanceReport {
    /// The report for people: what failed and why, then what was skipped, then a table of the matrix's rows.
    public func table() -> String {
        var lines: [String] = []
        for result in failures {
            lines.append("FAILED \(result.id): \(result.sentence)")
            lines.append("       \(result.reason ?? "")")
        }
        if !failures.isEmpty { lines.append("") }
        for (outcome, title) in [(Outcome.notDeclared, "not declared"), (.notShown, "not shown here")] {
            var byReason: [(reason: String, ids: [String])] = []
            for result in results where result.outcome == outcome {
                let reason = result.reason ?? ""
                if let index = byReason.firstIndex(where: { $0.reason == reason }) {
                    byReason[index].ids.append(result.id)
                } else {
                    byReason.append((reason, [result.id]))
                }
            }
            for group in byReason {
                lines.append("\(title): \(group.reason): \(group.ids.joined(separator: ", "))")
            }
        }
        if !lines.isEmpty, lines.last != "" { lines.append("") }
        let rows = FeatureKey.allCases.map { ($0.rawValue, mark(of: $0).rawValue, tally(of: $0)) }
        let width = rows.map(\.0.count).max() ?? 0
        for row in rows { lines.append("\(padded(row.0, width))  \(padded(row.1, 9))  \(row.2)") }
        lines.append("")
        lines.append(summary())
        return lines.joined(separator: "\n") + "\n"
    }

    /// One line: how many cases ended how.
    public func summary() -> String {
        "\(subject): \(count(.passed)) passed, \(count(.failed)) failed, \(count(.notDeclared)) not declared, "
            + "\(count(.notShown)) not shown here; \(results.count) cases in \(rounded(seconds)) s, seed \(seed)"
    }

    private func tally(of feature: FeatureKey) -> String {
        let cases = results.filter { $0.feature == feature }
        guard !cases.isEmpty else { return feature.noWord ?? "no case ran" }
        return "\(cases.count { $0.outcome == .passed }) of \(cases.count) cases passed"
    }
}

/// Seconds with one decimal, for people.
func rounded(_ seconds: Double) -> String {
    let tenths = Int((seconds * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}

/// Filled up with spaces.
func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

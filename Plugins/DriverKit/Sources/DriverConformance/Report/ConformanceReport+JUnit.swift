extension ConformanceReport {
    /// The report as JUnit XML, which continuous integration systems read: a suite for the subject, a case each.
    public func junit() -> String {
        let skipped = count(.notDeclared) + count(.notShown)
        var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>"]
        lines.append(
            "<testsuite name=\"\(escaped(subject))\" tests=\"\(results.count)\" failures=\"\(count(.failed))\" "
                + "skipped=\"\(skipped)\" time=\"\(thousandths(seconds))\">")
        for result in results {
            let group = result.id.split(separator: ".").dropLast().joined(separator: ".")
            let head =
                "  <testcase classname=\"\(escaped(subject + "." + group))\" name=\"\(escaped(result.id))\" "
                + "time=\"\(thousandths(result.seconds))\""
            let reason = escaped(result.reason ?? "")
            switch result.outcome {
            case .passed: lines.append(head + "/>")
            case .failed:
                lines.append(head + ">")
                lines.append("    <failure message=\"\(escaped(result.sentence))\">\(reason)</failure>")
                lines.append("  </testcase>")
            case .notDeclared, .notShown:
                lines.append(head + ">")
                lines.append("    <skipped message=\"\(result.outcome.rawValue): \(reason)\"/>")
                lines.append("  </testcase>")
            }
        }
        lines.append("</testsuite>")
        return lines.joined(separator: "\n") + "\n"
    }

    private func thousandths(_ seconds: Double) -> String {
        let whole = Int((seconds * 1000).rounded())
        let rest = String(whole % 1000)
        return "\(whole / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    /// Text that XML takes, whatever a hypervisor said.
    private func escaped(_ text: String) -> String {
        var safe = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": safe += "&amp;"
            case "<": safe += "&lt;"
            case ">": safe += "&gt;"
            case "\"": safe += "&quot;"
            case "\n": safe += "&#10;"
            default:
                // XML 1.0 has no control characters.
                let isAllowed = scalar.value >= 0x20 && scalar.value != 0xfffe && scalar.value != 0xffff
                safe.unicodeScalars.append(isAllowed || scalar == "\t" ? scalar : "?")
            }
        }
        return safe
    }
}

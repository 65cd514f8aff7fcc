import Testing

/// Files that one can read in one go.
@Suite struct SizeTests {
    @Test func filesAreShort() {
        var long: [Finding] = []
        for file in Repository.sources {
            let count = file.text.lines.count - 1
            if count > 800 {
                Issue.record("\(file.path) has \(count) lines; nobody reads more than 800: split it by concern")
            } else if count > 500 {
                long.append(
                    Finding(
                        path: file.path, line: count,
                        remedy: "\(count) lines; split it by concern, or give the reason in Exemptions"))
            }
        }
        expectNone(long, of: .longFile)
    }

    @Test func linesAreShort() {
        var findings: [Finding] = []
        for file in Repository.sources {
            for (index, line) in file.text.lines.enumerated() where line.count > 120 {
                findings.append(
                    Finding(path: file.path, line: index + 1, remedy: "\(line.count) columns; break it at 120"))
            }
        }
        expectNone(findings, of: .longLine)
    }

    @Test func linesEndCleanly() {
        var findings: [Finding] = []
        for file in Repository.sources {
            for (index, line) in file.text.lines.enumerated() where line.hasSuffix(" ") || line.contains("\t") {
                findings.append(
                    Finding(path: file.path, line: index + 1, remedy: "a tab, or space at the end; use spaces, trim"))
            }
            if file.text.lines.last != "" {
                findings.append(Finding(path: file.path, line: file.text.lines.count, remedy: "no line end at the end"))
            }
        }
        expectNone(findings)
    }
}

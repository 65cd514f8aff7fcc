import DriverConformance
import Foundation
import Testing

/// What a run leaves behind.
@Suite struct ReportTests {
    private let report = ConformanceReport(
        subject: "paper", facts: ["version": "1"], seed: 7, capabilities: ["pausing"],
        results: [
            result("core.spawn", .launch, .passed), result("core.destroy", .terminate, .failed, "a <b> & \"c\"\u{1}"),
            result("pausing.pause", .pause, .passed), result("pausing.pause.stale", .pause, .notShown, "no time"),
            result("suspending.suspend", .suspend, .notDeclared, "the driver does not declare suspending"),
            result("volumes.attach", .attachVolume, .notShown, "there are no volumes"),
        ], seconds: 1.25)

    private static func result(
        _ id: String, _ feature: FeatureKey, _ outcome: ConformanceReport.Outcome, _ reason: String? = nil
    ) -> ConformanceReport.Result {
        ConformanceReport.Result(
            id: id, sentence: "Does \(id)", feature: feature, outcome: outcome, reason: reason, seconds: 0.5)
    }

    @Test func aReportIsReadBackFromJSON() throws {
        #expect(try ConformanceReport(json: report.json()) == report)
        let text = String(decoding: report.json(), as: UTF8.self)
        #expect(text.contains("\"outcome\" : \"not-declared\""))
    }

    @Test func marksFollowFromOutcomes() {
        #expect(report.mark(of: .launch) == .complete)
        #expect(report.mark(of: .terminate) == .failed)
        #expect(report.mark(of: .pause) == .complete)
        #expect(report.mark(of: .suspend) == .missing)
        #expect(report.mark(of: .attachVolume) == .notShown)
        #expect(report.mark(of: .consoleRDP) == .missing, "no driver can show it")
        #expect(report.mark(of: .reboot) == .notShown, "no case ran")
        #expect(!report.isPassed)
    }

    @Test func jUnitIsWellFormedWhateverWasSaid() throws {
        let text = report.junit()
        let parser = XMLCheck()
        #expect(parser.isWellFormed(text))
        #expect(text.contains("tests=\"6\" failures=\"1\" skipped=\"3\" time=\"1.250\""))
        #expect(text.contains("a &lt;b&gt; &amp; &quot;c&quot;?"))
        #expect(text.contains("<skipped message=\"not-shown: there are no volumes\"/>"))
    }

    @Test func theTableSaysWhatFailedAndWhy() {
        let text = report.table()
        #expect(text.contains("FAILED core.destroy: Does core.destroy"))
        #expect(text.contains("not shown here: there are no volumes: volumes.attach"))
        #expect(text.contains("paper: 2 passed, 1 failed, 1 not declared, 2 not shown here; 6 cases in 1.3 s, seed 7"))
    }

    @Test func theMatrixHasAColumnForEachSubjectAndTheLastReportCounts() throws {
        var later = report
        later.results[1].outcome = .passed
        var other = report
        other.subject = "stone"
        let page = SupportMatrix([report, other, later]).markdown()
        #expect(page.contains("| # | key | feature | paper | stone |"))
        #expect(page.contains("| `operation.terminate` | Shutdown instance (mandatory) | complete | failed |"))
        #expect(page.contains("## stone: what failed or was not shown"))
        #expect(SupportMatrix.marks(of: "stone", in: page)[.terminate] == "failed")
    }

    @Test func reportsAreReadFromAFolder() throws {
        let folder =
            FileManager.default.temporaryDirectory.path + "/reports-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(report.json()).write(to: URL(filePath: folder + "/paper.json"))
        try Data("no report".utf8).write(to: URL(filePath: folder + "/notes.txt"))
        #expect(try SupportMatrix(reportsIn: folder).reports == [report])
    }
}

/// Whether tags open and close in pairs and nothing stands bare; enough for what the suite writes.
private struct XMLCheck {
    func isWellFormed(_ text: String) -> Bool {
        var open: [Substring] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "<") {
            guard let end = rest[start...].firstIndex(of: ">") else { return false }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("?") || tag.hasSuffix("/") { continue }
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return false }
            } else {
                open.append(tag.prefix { $0 != " " })
            }
        }
        return open.isEmpty
    }
}

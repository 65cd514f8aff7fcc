import DriverConformance
import Foundation
import Testing

/// The whole suite on the fake driver.
@Suite(.serialized) struct FakeDriverSuiteTests {
    private static let page: String = {
        let folders = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return folders.dropLast(3).joined(separator: "/") + "/docs/reference/support-matrix.md"
    }()

    @Test func theFakeDriverPassesTheWholeSuite() async throws {
        let report = try await Self.wholeReport()
        FileHandleLog.write(report.table())
        #expect(report.results.count == ConformanceCase.all.count)
        #expect(report.failures.isEmpty, "\(report.failures.map { "\($0.id): \($0.reason ?? "")" })")
        #expect(report.count(.passed) > 500)
        let told = try SupportMatrix.marks(of: "fake", in: String(contentsOfFile: Self.page, encoding: .utf8))
        for feature in FeatureKey.allCases {
            let mark = report.mark(of: feature).rawValue
            #expect(told[feature] == mark, "docs/reference/support-matrix.md is old: \(feature.rawValue) is \(mark)")
        }
    }

    /// Every case, in four parts on four nodes at once: most of the time the suite waits for the hypervisor.
    private static func wholeReport() async throws -> ConformanceReport {
        let ids = ConformanceCase.all.map(\.id)
        let begun = ContinuousClock.now
        let parts = try await withThrowingTaskGroup(of: ConformanceReport.self) { group in
            for part in 0..<4 {
                let chosen = ids.indices.filter { $0 % 4 == part }.map { ids[$0] }
                let subject = try FakeSubject()
                group.addTask {
                    await DriverSuite(subject, SuiteOptions(patterns: chosen)).run { FileHandleLog.write($0) }
                }
            }
            return try await group.reduce(into: [ConformanceReport]()) { $0.append($1) }
        }
        var whole = try #require(parts.first)
        let results = Dictionary(parts.flatMap(\.results).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        whole.results = ids.compactMap { results[$0] }
        let taken = (ContinuousClock.now - begun).components
        whole.seconds = Double(taken.seconds) + Double(taken.attoseconds) / 1e18
        return whole
    }

    @Test func everydaysSubsetIsSmallAndPasses() async throws {
        let report = await DriverSuite(try FakeSubject(), SuiteOptions(quick: true)).run()
        #expect(report.failures.isEmpty, "\(report.failures.map { "\($0.id): \($0.reason ?? "")" })")
        #expect((35...60).contains(report.results.count), "\(report.results.count) cases")
    }
}

extension SupportMatrix {
    /// The marks that stand in a column of the page.
    static func marks(of subject: String, in page: String) -> [FeatureKey: String] {
        var marks: [FeatureKey: String] = [:]
        var column: Int?
        for line in page.split(separator: "\n") where line.hasPrefix("| ") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: [" ", "`"]) }
            if cells.first == "#" { column = cells.firstIndex(of: subject) }
            guard let column, cells.count > column, let feature = FeatureKey(rawValue: cells[1]) else { continue }
            marks[feature] = cells[column]
        }
        return marks
    }
}

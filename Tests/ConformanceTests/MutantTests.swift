import DriverConformance
import FakeDriver
import Foundation
import Testing

/// The suite itself is proven: it notices bugs that were put into the fake driver on purpose.
@Suite(.serialized) struct MutantTests {
    /// At least so many of a hundred seeded bugs must be noticed.
    private static let percentMin = 95

    @Test func everyRecordedBugIsCaughtByItsCase() async throws {
        let table = try MutantTable.read()
        let escaped = try await Self.each(table.rows) { row -> String? in
            guard let id = row.caughtBy else { return nil }
            let report = try await Self.report(row.name, SuiteOptions(patterns: [id]))
            FileHandleLog.write("\(row.name) → \(id): \(report.failures.first?.reason ?? "NOT CAUGHT")")
            return report.failures.isEmpty ? row.name : nil
        }.compactMap { $0 }
        #expect(escaped.isEmpty, "not caught any more: \(escaped.sorted().joined(separator: ", "))")
        #expect(table.rows.count >= 40)
        #expect(table.caught * 100 >= table.rows.count * Self.percentMin, "\(table.caught) of \(table.rows.count)")
    }

    /// What `KILONOVA_MUTANTS` asks for: bugs by name, separated by commas, or `all`.
    private static let wanted = ProcessInfo.processInfo.environment["KILONOVA_MUTANTS"].map {
        Set($0.split(separator: ",").map(String.init))
    }

    /// Searches the whole suite for a case that notices each of the bugs asked for, and writes the page anew.
    @Test(.enabled(if: wanted != nil)) func thePageOfBugsIsWritten() async throws {
        let wanted = Self.wanted ?? []
        let rows = try await Self.each(try MutantTable.read().rows) { row in
            guard wanted.contains("all") || wanted.contains(row.name) else { return row }
            let id = try await Self.search(row.name)
            FileHandleLog.write("\(row.name): \(id ?? "NOTHING")")
            return MutantTable.Row(name: row.name, summary: row.summary, caughtBy: id)
        }
        try Data(MutantTable(rows: rows).markdown.utf8).write(to: URL(filePath: MutantTable.path))
    }

    /// A case that notices a bug also when it runs alone; `nil` when there is none.
    private static func search(_ mutation: String) async throws -> String? {
        // Some bugs show by chance: the order of a dictionary decides.
        func isCaught(by id: String) async throws -> Bool {
            for _ in 0..<4 {
                if try await report(mutation, SuiteOptions(patterns: [id])).failures.isEmpty { return false }
            }
            return true
        }
        let first = try await report(mutation, SuiteOptions(stopsAtFirstFailure: true)).failures.first
        guard let first else { return nil }
        if try await isCaught(by: first.id) { return first.id }
        // What came before may have helped it to fail.
        for failure in try await report(mutation, SuiteOptions()).failures where try await isCaught(by: failure.id) {
            return failure.id
        }
        return nil
    }

    /// Does something for each element, a few at a time; answers come in the order of the elements.
    private static func each<Element: Sendable, Answer: Sendable>(
        _ elements: [Element], _ body: @escaping @Sendable (Element) async throws -> Answer
    ) async throws -> [Answer] {
        try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            var waiting = Array(elements.enumerated())[...]
            func addNext() {
                guard let (index, element) = waiting.popFirst() else { return }
                group.addTask { (index, try await body(element)) }
            }
            for _ in 0..<4 { addNext() }
            var answers: [Int: Answer] = [:]
            while let (index, answer) = try await group.next() {
                answers[index] = answer
                addNext()
            }
            return elements.indices.compactMap { answers[$0] }
        }
    }

    private static func report(_ mutation: String, _ options: SuiteOptions) async throws -> ConformanceReport {
        await DriverSuite(try FakeSubject(["mutation": mutation]), options).run()
    }
}

import Foundation
package import Testing

/// Runs each test of a suite once per engine; the test's databases are made by ``TestEngine/current``.
package struct EveryEngine: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        for engine in TestEngine.available {
            do {
                try await TestEngine.$chosen.withValue(engine) { try await function() }
            } catch {
                Issue.record(error, "on \(engine)")
            }
        }
    }
}

extension Trait where Self == EveryEngine {
    /// See ``EveryEngine``.
    package static var everyEngine: Self { EveryEngine() }
}

extension TestEngine {
    @TaskLocal static var chosen: TestEngine?

    /// The engine that the running test is to use. Outside suites of ``EveryEngine`` that is SQLite, or what
    /// `KILONOVA_STORE_ENGINE` says.
    package static var current: TestEngine {
        chosen ?? ProcessInfo.processInfo.environment["KILONOVA_STORE_ENGINE"].flatMap(TestEngine.init) ?? .sqlite
    }

    /// The URL of an empty database of the current engine; in memory where that is SQLite.
    package static func emptyDatabase() async throws -> String {
        current == .sqlite ? "sqlite://" : try await current.newDatabase()
    }
}

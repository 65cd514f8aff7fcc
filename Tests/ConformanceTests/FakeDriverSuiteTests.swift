import DriverConformance
import Testing

@Suite struct FakeDriverSuiteTests {
    @Test func theFakeDriverPassesTheWholeSuite() async throws {
        let report = await DriverSuite(try FakeSubject()).run { line in
            FileHandleLog.write(line)
        }
        #expect(report.isPassed)
        FileHandleLog.write(report.table())
    }
}

import Database
import DatabaseServers
import Testing

/// The server dies under writers and comes back.
@Suite(.serialized) struct CrashTests {
    private struct Writer: Sendable {
        /// Names whose transaction was answered.
        var committed: [String] = []
        /// The longest time from the server's answering again to a transaction of ours done.
        var recovery: Duration = .zero
    }

    @Test(arguments: TestEngine.servers)
    func nothingThatWasAnsweredIsLostAndWritersRecover(_ engine: TestEngine) async throws {
        let server = try await DatabaseServer.start(engine)
        var options = DatabaseOptions.quiet
        options.poolTimeout = .seconds(60)
        let database = try await SQLDatabase.open(url: try await server.newDatabase(), options: options)
        try await database.migrate([items])
        let state = Locked((written: 0, isBack: ContinuousClock.Instant?.none, isDone: false))
        let writers = (0..<8).map { number in
            Task {
                var writer = Writer()
                var next = 0
                var afterwards = 0
                while !state.withLock({ $0.isDone }) || afterwards < 3 {
                    let name = "\(number)-\(next)"
                    try await Self.write(name, database)
                    writer.committed.append(name)
                    next += 1
                    state.withLock { $0.written += 1 }
                    guard let back = state.withLock({ $0.isBack }) else { continue }
                    if afterwards == 0 { writer.recovery = max(.zero, ContinuousClock.now - back) }
                    afterwards += 1
                }
                return writer
            }
        }
        while state.withLock({ $0.written }) < 100 { await Task.yield() }
        try await server.kill()
        try await server.start()
        state.withLock { ($0.isBack, $0.isDone) = (.now, true) }
        var committed: Set<String> = []
        var slowest = Duration.zero
        for writer in writers {
            let result = try await writer.value
            #expect(Set(result.committed).count == result.committed.count)
            committed.formUnion(result.committed)
            slowest = max(slowest, result.recovery)
        }
        let found = Set(try await names(database))
        #expect(committed.subtracting(found).isEmpty)
        #expect(found.subtracting(committed).isEmpty)
        #expect(slowest < .seconds(10), "the slowest writer needed \(slowest)")
        #expect(database.trouble == nil)
        await database.close()
    }

    /// One row, once. Where the end of the transaction is not known, looks; then repeats.
    private static func write(_ name: String, _ database: SQLDatabase) async throws {
        var isUnsure = false
        while true {
            do {
                if isUnsure, try await isThere(name, database) { return }
                return try await database.transaction { connection in
                    try connection.execute("INSERT INTO items (name) VALUES (\(name))")
                }
            } catch let error as DatabaseError {
                guard error.isTransient else { throw error }
                isUnsure = true
            }
        }
    }

    private static func isThere(_ name: String, _ database: SQLDatabase) async throws -> Bool {
        try await database.read { try $0.first("SELECT 1 FROM items WHERE name = \(name)") { _ in true } ?? false }
    }

    @Test(arguments: TestEngine.servers)
    func aServerThatStaysAwayIsReportedAndRemembered(_ engine: TestEngine) async throws {
        let server = try await DatabaseServer.start(engine)
        var options = DatabaseOptions.quiet
        options.poolTimeout = .milliseconds(500)
        let database = try await SQLDatabase.open(url: try await server.newDatabase(), options: options)
        try await database.migrate([items])
        try await server.kill()
        await #expect {
            try await insert("a", database)
        } throws: { error in
            guard let error = error as? DatabaseError else { return false }
            return error.isTransient && error.outage == "its database does not answer"
                && "\(error)".contains(database.name)
        }
        #expect(database.trouble?.contains(database.name) == true)
        try await server.start()
        try await insert("b", database)
        #expect(database.trouble == nil)
        await database.close()
    }
}

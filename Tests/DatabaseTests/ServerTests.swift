import Database
import DatabaseServers
import Glibc
import Testing

/// What is different where several write at the same time.
struct ServerTests {
    @Test(.enabled(if: TestEngine.mariadb.isInstalled, "mariadb-server is not installed"))
    func mariadbIsTested() { #expect(TestEngine.mariadb.isInstalled) }

    @Test(.enabled(if: TestEngine.postgresql.isInstalled, "postgresql is not installed"))
    func postgresqlIsTested() { #expect(TestEngine.postgresql.isInstalled) }

    /// Two transactions that take two rows in opposite order: the engine ends one, and it is run again.
    @Test(arguments: TestEngine.servers)
    func aDeadlockOfTwoTransactionsEndsWithBothDone(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        try await database.transaction { connection in
            for name in ["a", "b"] { try connection.execute("INSERT INTO items (name, amount) VALUES (\(name), 0)") }
        }
        let (first, second) = (Meeting(), Meeting())
        let runs = Locked(0)
        @Sendable func raise(_ one: String, _ other: String, _ mine: Meeting, _ theirs: Meeting) async throws {
            try await database.transaction { connection in
                runs.withLock { $0 += 1 }
                try connection.execute("UPDATE items SET amount = amount + 1 WHERE name = \(one)")
                mine.arrive()
                theirs.wait()
                try connection.execute("UPDATE items SET amount = amount + 1 WHERE name = \(other)")
            }
        }
        async let one: Void = raise("a", "b", first, second)
        async let two: Void = raise("b", "a", second, first)
        _ = try await (one, two)
        let amounts = try await database.read { try $0.map("SELECT amount FROM items") { try $0.int(0) } }
        #expect(amounts == [2, 2])
        #expect(runs.withLock { $0 } >= 3)
    }

    @Test(arguments: TestEngine.available)
    func whoeverTakesTheSameTurnSeesWhatThoseBeforeWrote(_ engine: TestEngine) async throws {
        var options = DatabaseOptions.quiet
        options.attemptsMax = 50
        let database = try await makeDatabase(engine, options: options)
        try await insert("sum", database)
        try await database.transaction { try $0.execute("UPDATE items SET amount = 0") }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for _ in 0..<40 {
                tasks.addTask {
                    try await database.transaction { connection in
                        try connection.takeTurn("sum")
                        let sum = try connection.first("SELECT amount FROM items") { try $0.int(0) } ?? 0
                        try connection.execute("UPDATE items SET amount = \(sum + 1)")
                    }
                }
            }
            try await tasks.waitForAll()
        }
        #expect(try await database.read { try $0.first("SELECT amount FROM items") { try $0.int(0) } } == 40)
    }

    /// All look first and then insert; the unique key lets one through, and the others look again.
    @Test(arguments: TestEngine.available)
    func lookingBeforeInsertingIsSafe(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let inserted = try await withThrowingTaskGroup(of: Bool.self) { tasks in
            for _ in 0..<20 {
                tasks.addTask {
                    try await database.transaction { connection in
                        let known = try connection.first("SELECT 1 FROM items WHERE name = 'x'") { _ in true }
                        if known != nil { return false }
                        try connection.execute("INSERT INTO items (name) VALUES ('x')")
                        return true
                    }
                }
            }
            return try await tasks.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(inserted == 1)
    }

    @Test(arguments: TestEngine.servers)
    func whenAllConnectionsAreTakenTheNextIsRefusedAndNamesTheOptions(_ engine: TestEngine) async throws {
        var options = DatabaseOptions.quiet
        (options.poolSize, options.overflowMax, options.poolTimeout) = (1, 1, .milliseconds(300))
        let database = try await makeDatabase(engine, options: options)
        let gates = [Gate(), Gate()]
        let holders = gates.map { gate in Task { try await database.transaction { _ in gate.hold() } } }
        for gate in gates { await gate.arrival() }
        await #expect {
            try await database.read { try $0.query("SELECT 1") }
        } throws: { error in
            guard case .busy(let text) = error as? DatabaseError else { return false }
            return text.contains("max_pool_size") && text.contains("max_overflow") && text.contains(database.name)
        }
        for gate in gates { gate.open() }
        for holder in holders { try await holder.value }
        try await insert("a", database)
        #expect(try await names(database) == ["a"])
    }

    @Test(arguments: TestEngine.servers)
    func aConnectionThatTheServerEndedIsReplacedUnseen(_ engine: TestEngine) async throws {
        var options = DatabaseOptions.quiet
        (options.poolSize, options.overflowMax) = (1, 0)
        let url = try await engine.newDatabase()
        let database = try await SQLDatabase.open(url: url, options: options)
        try await database.migrate([items])
        let other = try await SQLDatabase.open(url: url, options: options)
        let runs = Locked(0)
        // Ended before, and in the middle of, a transaction.
        for round in 0..<2 {
            let own: SQL = engine == .mariadb ? "SELECT CONNECTION_ID()" : "SELECT pg_backend_pid()"
            let session = try await database.read { try $0.first(own) { try $0.int64(0) } ?? 0 }
            let end: SQL = engine == .mariadb
                ? "KILL \(raw: "\(session)")" : "SELECT pg_terminate_backend(\(raw: "\(session)"))"
            let (ready, ended) = (Meeting(), Meeting())
            let killer = Task {
                if round == 1 { await ready.reached() }
                _ = try await other.transaction { try $0.execute(end) }
                ended.arrive()
            }
            if round == 0 { try await killer.value }
            try await database.transaction { connection in
                runs.withLock { $0 += 1 }
                try connection.execute("INSERT INTO items (name) VALUES (\("round \(round)"))")
                if round == 1 {
                    ready.arrive()
                    ended.wait()
                    for _ in 0..<3 { _ = try connection.query("SELECT 1") }
                }
            }
            try await killer.value
        }
        #expect(try await names(database) == ["round 0", "round 1"])
        #expect(runs.withLock { $0 } == 3)
    }

    @Test(arguments: TestEngine.servers)
    func anErrorThatIsIgnoredDoesNotLoseTheRestUnseen(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let outcome = await Task {
            try await database.transaction { connection in
                try connection.execute("INSERT INTO items (name) VALUES ('a')")
                _ = try? connection.execute("INSERT INTO items (name) VALUES ('a')")
            }
        }.result
        // PostgreSQL gives the whole transaction up, MariaDB the statement only; neither says one and does another.
        switch outcome {
        case .success: #expect(try await names(database) == ["a"])
        case .failure: #expect(try await names(database) == [])
        }
    }

    @Test(arguments: TestEngine.servers)
    func whatIsTooLongOrTooLargeIsRefused(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        await #expect {
            try await insert(String(repeating: "x", count: 191), database)
        } throws: { error in
            guard case .constraint(let failure) = error as? DatabaseError else { return false }
            return failure.kind == .check
        }
    }

    @Test func aStatementLargerThanMariaDBTakesNamesTheOption() async throws {
        guard TestEngine.servers.contains(.mariadb) else { return }
        let database = try await openDatabase(.mariadb)
        let huge = [UInt8](repeating: 1, count: 17_000_000)
        await #expect {
            try await database.read { try $0.query("SELECT LENGTH(\(huge))") }
        } throws: { error in
            "\(error)".contains("max_allowed_packet")
        }
    }
}

/// A place where one thread or task waits for another.
final class Meeting: Sendable {
    private let hasArrived = Locked(false)

    func arrive() { hasArrived.withLock { $0 = true } }

    /// Blocks the thread that calls it; it gives up after a while, so that a failing test ends.
    func wait() {
        for _ in 0..<15_000 where !hasArrived.withLock({ $0 }) { usleep(1000) }
    }

    func reached() async {
        while !hasArrived.withLock({ $0 }) { await Task.yield() }
    }
}

import Database
import DatabaseServers
import Testing

struct TransactionTests {
    struct Refused: Error {}

    @Test(arguments: TestEngine.available)
    func aTransactionThatThrowsLeavesNothing(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        await #expect(throws: Refused.self) {
            try await database.transaction { connection in
                try connection.execute("INSERT INTO items (name) VALUES ('a')")
                throw Refused()
            }
        }
        #expect(try await names(database) == [])
    }

    @Test(arguments: TestEngine.available)
    func whatATransactionWroteIsThereAfterReopening(_ engine: TestEngine) async throws {
        let url = try await engine.newDatabase()
        let first = try await SQLDatabase.open(url: url, options: .quiet)
        try await first.migrate([items])
        let number = try await first.transaction { connection in
            try connection.insert("INSERT INTO items (name) VALUES (\("a"))", numbering: "id")
        }
        #expect(number == 1)
        await first.close()
        let second = try await SQLDatabase.open(url: url, options: .quiet)
        #expect(try await names(second) == ["a"])
    }

    @Test(arguments: TestEngine.available)
    func aFailingMemberOfAGroupTakesNoOtherWithIt(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let results = await runAsGroup(database, (0..<20).map { number in
            { connection in
                try connection.execute("INSERT INTO items (name) VALUES (\("n\(number)"))")
                if number % 2 == 1 { throw Refused() }
            }
        })
        for (number, result) in results.enumerated() {
            if number % 2 == 1 {
                #expect(throws: Refused.self) { try result.get() }
            } else {
                #expect(throws: Never.self) { try result.get() }
            }
        }
        #expect(try await names(database).count == 10)
    }

    @Test func aDeferredViolationFailsOnlyItsOwnTransaction() async throws {
        let database = try await makeDatabase(Scratch())
        let results = await runAsGroup(database, [
            { try $0.execute("INSERT INTO items (name) VALUES ('a')") },
            { try $0.execute("INSERT INTO parts (item) VALUES (77)") },
            { try $0.execute("INSERT INTO items (name) VALUES ('b')") },
        ])
        #expect(throws: Never.self) { try results[0].get() }
        #expect {
            try results[1].get()
        } throws: { error in
            guard case .constraint(let failure) = error as? DatabaseError else { return false }
            return failure.kind == .foreignKey
        }
        #expect(throws: Never.self) { try results[2].get() }
        #expect(try await names(database) == ["a", "b"])
    }

    @Test func aFullDatabaseFailsTheLargeAndKeepsTheSmall() async throws {
        let database = try await makeDatabase(Scratch())
        try await database.transaction { try $0.execute("PRAGMA max_page_count = 40") }
        let large = [UInt8](repeating: 1, count: 400_000)
        let results = await runAsGroup(database, [
            { try $0.execute("INSERT INTO items (name) VALUES ('small')") },
            { try $0.execute("INSERT INTO items (name) VALUES (\(large))") },
            { try $0.execute("INSERT INTO items (name) VALUES ('later')") },
        ])
        #expect(throws: Never.self) { try results[0].get() }
        #expect {
            try results[1].get()
        } throws: { error in
            guard case .full(let text) = error as? DatabaseError else { return false }
            return text.contains("free space")
        }
        #expect(throws: Never.self) { try results[2].get() }
        #expect(try await names(database) == ["later", "small"])
    }

    @Test func aSwallowedErrorThatEndedTheTransactionIsNotTakenForSuccess() async throws {
        let database = try await makeDatabase(Scratch())
        try await database.transaction { try $0.execute("PRAGMA max_page_count = 40") }
        let large = [UInt8](repeating: 1, count: 400_000)
        await #expect(throws: DatabaseError.self) {
            try await database.transaction { connection in
                try connection.execute("INSERT INTO items (name) VALUES ('a')")
                _ = try? connection.execute("INSERT INTO items (name) VALUES (\(large))")
            }
        }
        #expect(try await names(database) == [])
    }

    @Test(arguments: TestEngine.available)
    func aDeadlockIsRetriedABoundedNumberOfTimes(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let runs = Locked(0)
        try await database.transaction { connection in
            try connection.execute("INSERT INTO items (name) VALUES ('a')")
            if runs.withLock({ $0 += 1; return $0 }) < 3 { throw DatabaseError.busy("deadlock") }
        }
        #expect(runs.withLock { $0 } == 3)
        #expect(try await names(database) == ["a"])
        await #expect(throws: DatabaseError.busy("deadlock")) {
            try await database.transaction { _ in
                runs.withLock { $0 += 1 }
                throw DatabaseError.busy("deadlock")
            }
        }
        #expect(runs.withLock { $0 } == 3 + DatabaseOptions.quiet.attemptsMax)
    }

    @Test(arguments: TestEngine.available)
    func aSavepointUndoesOnlyItsOwnPart(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        try await database.transaction { connection in
            try connection.execute("INSERT INTO items (name) VALUES ('a')")
            _ = try? connection.savepoint {
                try connection.execute("INSERT INTO items (name) VALUES ('b')")
                _ = try connection.savepoint { try connection.execute("INSERT INTO items (name) VALUES ('a')") }
            }
            _ = try connection.savepoint { try connection.execute("INSERT INTO items (name) VALUES ('c')") }
        }
        #expect(try await names(database) == ["a", "c"])
    }

    @Test(arguments: TestEngine.available)
    func aClosureCannotEndTheTransactionOfItsGroup(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        for text in ["COMMIT", " rollback", "BEGIN", "Savepoint x", "RELEASE job", "END"] {
            await #expect(throws: DatabaseError.self, "\(text)") {
                try await database.transaction { try $0.execute(SQL(raw: text)) }
            }
        }
    }

    @Test func deferredAndFlushedTransactionsMixInAnyOrder() async throws {
        let scratch = Scratch()
        let database = try await makeDatabase(scratch)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<200 {
                tasks.addTask {
                    let durability = number % 3 == 0 ? Durability.onDisk : .deferred
                    try await database.transaction(durability: durability) { connection in
                        try connection.execute("INSERT INTO items (name) VALUES (\("\(number)"))")
                    }
                }
            }
            try await tasks.waitForAll()
        }
        await database.close()
        #expect(try await names(try await makeDatabase(scratch)).count == 200)
    }

    @Test(arguments: TestEngine.available)
    func aReadSeesOneSnapshotAndCannotWrite(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        await #expect {
            try await database.read { try $0.execute("INSERT INTO items (name) VALUES ('a')") }
        } throws: { error in
            if case .readOnly = error as? DatabaseError { true } else { false }
        }
        #expect(try await names(database) == [])
    }

    @Test(arguments: TestEngine.available)
    func aReadSeesWhatWasCommittedBeforeIt(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        for number in 0..<50 {
            try await database.transaction { try $0.execute("INSERT INTO items (name) VALUES (\("\(number)"))") }
            let count = try await database.read { try $0.first("SELECT count(*) FROM items") { try $0.int(0) } }
            #expect(count == number + 1)
        }
    }

    @Test func aJobThatIsCancelledBeforeItBeginsDoesNotRun() async throws {
        let database = try await makeDatabase(Scratch())
        let gate = Gate()
        let holder = Task { try await database.transaction { _ in gate.hold() } }
        await gate.arrival()
        let late = Task { try await insert("late", database) }
        for _ in 0..<100 { await Task.yield() }
        late.cancel()
        await #expect(throws: CancellationError.self) { try await late.value }
        gate.open()
        try await holder.value
        #expect(try await names(database) == [])
    }

    @Test(arguments: TestEngine.available)
    func manyWritersAndReadersAtOnceLoseNothing(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for writer in 0..<16 {
                tasks.addTask {
                    for number in 0..<25 {
                        try await insert("\(writer)-\(number)", database)
                        _ = try await database.read { try $0.query("SELECT sum(amount) FROM items") }
                    }
                }
            }
            try await tasks.waitForAll()
        }
        #expect(try await names(database).count == 400)
    }

    @Test func aMemoryDatabaseServesReadsAndWritesTogether() async throws {
        let database = try await SQLDatabase.open(url: "sqlite://", options: .quiet)
        try await database.migrate([items])
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for number in 0..<50 {
                tasks.addTask {
                    try await insert("\(number)", database)
                    _ = try await names(database)
                }
            }
            try await tasks.waitForAll()
        }
        #expect(try await names(database).count == 50)
    }

    @Test(arguments: TestEngine.available)
    func aClosedDatabaseFinishesWhatItHasAndRefusesMore(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        await database.close()
        await database.close()
        await #expect {
            try await database.transaction { _ in }
        } throws: { error in
            if case .unavailable = error as? DatabaseError { true } else { false }
        }
    }
}

import Database
import DatabaseServers
import Testing

/// Each way in which a database cannot be used has its sentence, with the remedy and without the password.
struct RefusalTests {
    private func refusal(_ url: String, _ options: DatabaseOptions = .quiet) async -> String {
        do {
            await (try SQLDatabase.open(url: url, options: options)).close()
            return "opened"
        } catch {
            let text = "\(error)"
            #expect(!text.contains(DatabaseServer.password) && !text.contains("wrong-password"))
            return text
        }
    }

    @Test(arguments: TestEngine.servers)
    func loginDatabaseHostAndPortAreToldApart(_ engine: TestEngine) async throws {
        let scheme = engine == .mariadb ? "mysql" : "postgresql"
        let server = try await DatabaseServer.shared(engine)
        let good = try await server.newDatabase()
        #expect(await refusal(good) == "opened")
        let wrong = server.url("x", host: "127.0.0.1", account: "nobody:wrong-password")
        let login = await refusal(wrong)
        #expect(login.contains("the login to the database") && login.contains("check user and password"))
        let missing = await refusal(server.url("nothere", host: "127.0.0.1"))
        #expect(missing.contains("there is no database \"nothere\"") && missing.contains("CREATE DATABASE"))
        let closed = await refusal("\(scheme)://u:wrong-password@127.0.0.1:1/d")
        #expect(closed.contains("does not answer") && closed.contains("check that the server runs"))
        let unknown = await refusal("\(scheme)://u:wrong-password@host.invalid/d")
        #expect(unknown.contains("host.invalid"))
    }

    @Test(arguments: TestEngine.servers)
    func aServerThatComesLaterIsWaitedFor(_ engine: TestEngine) async throws {
        let server = try await DatabaseServer.start(engine)
        let url = try await server.newDatabase()
        try await server.kill()
        var options = DatabaseOptions.quiet
        (options.openRetriesMax, options.openRetryInterval) = (-1, .milliseconds(50))
        let opening = Task { [options] in try await SQLDatabase.open(url: url, options: options) }
        try await server.start()
        let database = try await opening.value
        try await database.migrate([items])
        try await insert("a", database)
        await database.close()
    }

    @Test(arguments: TestEngine.available)
    func aSchemaThatIsNotThisVersionsIsRefused(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        let second = Migration(id: "0002-note") { _ in ["ALTER TABLE items ADD COLUMN note TEXT"] }
        let added = Migration(id: "0003-size", phase: .expand) { _ in ["ALTER TABLE items ADD COLUMN size INTEGER"] }
        func history(_ migrations: Migration...) -> SchemaHistory {
            SchemaHistory(component: "main", migrations: migrations)
        }
        func refusal(_ history: SchemaHistory) async throws -> String {
            do {
                try await database.verify(history)
                return "fits"
            } catch DatabaseError.migration(let text) {
                return text
            }
        }
        let none = try await refusal(history(items))
        #expect(none.contains("has no tables of main") && none.contains("kilonovad manage db sync"))
        try await database.sync(history(items))
        let older = try await refusal(history(items, second))
        #expect(older.contains("older than this version") && older.contains("0002-note"))
        #expect(older.contains(database.name) && older.contains("kilonovad manage db sync"))
        try await database.sync(history(items, second))
        #expect(try await refusal(history(items, second)) == "fits")
        let newer = try await refusal(history(items))
        #expect(newer.contains("newer version") && newer.contains("0002-note"))
        // What was only added does not disturb a version that does not know it.
        try await database.sync(history(items, second, added))
        #expect(try await refusal(history(items, second)) == "fits")
    }
}

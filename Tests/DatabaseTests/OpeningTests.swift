import Database
import Glibc
import Testing

struct OpeningTests {
    private func error(opening url: String) async -> DatabaseError? {
        do {
            let database = try await SQLDatabase.open(url: url, options: .quiet)
            await database.close()
            return nil
        } catch {
            return error as? DatabaseError
        }
    }

    @Test func aMissingDirectoryIsNamedWithTheRemedy() async {
        let scratch = Scratch()
        #expect(await error(opening: "sqlite://\(scratch.directory)/no/db")
            == .cannotOpen("the directory \(scratch.directory)/no for the database does not exist; create it"))
    }

    @Test func aDirectoryInPlaceOfTheFileIsNamed() async {
        let scratch = Scratch()
        let found = await error(opening: "sqlite://\(scratch.directory)")
        #expect(found?.description.contains("is a directory") == true)
    }

    @Test func aFileThatIsNoDatabaseIsRefusedAndKept() async {
        let scratch = Scratch()
        scratch.write([UInt8](repeating: UInt8(ascii: "x"), count: 5000))
        guard case .corrupt(let text) = await error(opening: scratch.url) else {
            Issue.record("not refused as corrupt")
            return
        }
        #expect(text.contains(scratch.path) && text.contains("restore"))
    }

    @Test func aPlaceWhereNothingMayBeCreatedIsReadOnly() async {
        // Not even root may create files there.
        guard case .readOnly(let text) = await error(opening: "sqlite:///sys/kilonova-db") else {
            Issue.record("not refused as read-only")
            return
        }
        #expect(text.contains("/sys/kilonova-db") && text.contains("choose another directory"))
    }

    @Test(.enabled(if: geteuid() != 0, "root may write everywhere"))
    func aReadOnlyFileIsNamedWithItsOwner() async throws {
        let scratch = Scratch()
        await (try makeDatabase(scratch)).close()
        chmod(scratch.path, 0o400)
        guard case .readOnly(let text) = await error(opening: scratch.url) else {
            Issue.record("not refused as read-only")
            return
        }
        #expect(text.contains(scratch.path))
    }

    @Test func addressesOfOtherFormsAreRefused() async {
        #expect(await error(opening: "oracle://nova:secret@db/nova")?.description.contains("engine \"oracle\"") == true)
        #expect(await error(opening: "nova.db")?.description.contains("is no URL") == true)
        #expect(await error(opening: "sqlite://nova.db")?.description.contains("absolute path") == true)
    }

    @Test func fourSlashesNameTheSameFileAsThree() throws {
        #expect(try DatabaseAddress(url: "sqlite:////var/x") == .sqliteFile(path: "/var/x"))
        #expect(try DatabaseAddress(url: "sqlite:///var/x") == .sqliteFile(path: "/var/x"))
        #expect(try DatabaseAddress(url: "sqlite://") == .sqliteMemory)
    }

    @Test func theFileIsReadableByItsOwnerOnly() async throws {
        let scratch = Scratch()
        let database = try await makeDatabase(scratch)
        var status = stat()
        #expect(stat(scratch.path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        await database.close()
    }

    @Test func aLockHeldByAnotherIsReportedAsBusyInTheEnd() async throws {
        let scratch = Scratch()
        var options = DatabaseOptions.quiet
        options.busyTimeout = .milliseconds(20)
        options.attemptsMax = 2
        let first = try await makeDatabase(scratch)
        let second = try await makeDatabase(scratch, options: options)
        await #expect {
            try await first.transaction { connection in
                try connection.execute("INSERT INTO items (name) VALUES ('a')")
                let semaphore = Waiter()
                Task {
                    do {
                        try await second.transaction { _ in }
                        semaphore.finish(nil)
                    } catch {
                        semaphore.finish(error)
                    }
                }
                if let error = semaphore.wait() { throw error }
            }
        } throws: { error in
            // The outer transaction is itself retried because its error is transient; it ends as busy too.
            if case .busy(let text) = error as? DatabaseError { text.contains(scratch.path) } else { false }
        }
        try await second.transaction { try $0.execute("INSERT INTO items (name) VALUES ('b')") }
        #expect(try await names(first) == ["b"])
    }
}

/// Lets a database thread wait for a task.
private final class Waiter: @unchecked Sendable {
    // `semaphore` is made for several threads; `error` is written before and read after it.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private var error: (any Error)?

    init() {
        sem_init(semaphore, 0, 0)
    }

    func finish(_ error: (any Error)?) {
        self.error = error
        sem_post(semaphore)
    }

    func wait() -> (any Error)? {
        sem_wait(semaphore)
        return error
    }
}

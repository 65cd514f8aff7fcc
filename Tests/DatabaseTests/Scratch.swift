import Database
import DatabaseServers
import Foundation
import Glibc
import Logging

/// A directory of its own for each test. All are removed when the process ends, because databases outlive the
/// variables of a test.
struct Scratch: Sendable {
    let directory: String

    init() {
        var template = Array("\(Self.root)/XXXXXX".utf8CString)
        directory = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    private static let root: String = {
        let root = FileManager.default.temporaryDirectory.path + "/kilonova-database-\(getpid())"
        try! FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: Scratch.root) }
        return root
    }()

    var path: String { "\(directory)/db" }
    var url: String { "sqlite://\(path)" }

    func write(_ bytes: [UInt8]) {
        let file = fopen(path, "w")
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }
}

extension DatabaseOptions {
    static var quiet: DatabaseOptions {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return DatabaseOptions(logger: logger)
    }
}

/// An empty database of that engine.
func openDatabase(_ engine: TestEngine, options: DatabaseOptions = .quiet) async throws -> SQLDatabase {
    try await SQLDatabase.open(url: try await engine.newDatabase(), options: options)
}

/// A database of that engine with a table `items (id, name unique, amount)`.
func makeDatabase(_ engine: TestEngine, options: DatabaseOptions = .quiet) async throws -> SQLDatabase {
    let database = try await openDatabase(engine, options: options)
    try await database.migrate([items])
    return database
}

/// A database in a file with a table `items (id, name unique, amount)`.
func makeDatabase(_ scratch: Scratch, options: DatabaseOptions = .quiet) async throws -> SQLDatabase {
    let database = try await SQLDatabase.open(url: scratch.url, options: options)
    try await database.migrate([items])
    return database
}

let items = Migration(id: "0001-items") { dialect in
    [
        """
        CREATE TABLE items (
            id \(dialect.ascendingKey), name VARCHAR(190) NOT NULL UNIQUE, amount INTEGER CHECK (amount >= 0))
        """,
        // MariaDB checks references at once, always.
        """
        CREATE TABLE parts (
            item INTEGER NOT NULL REFERENCES items (id)
            \(raw: dialect == .mariadb ? "" : "DEFERRABLE INITIALLY DEFERRED"))
        """,
    ]
}

func names(_ database: SQLDatabase) async throws -> [String] {
    try await database.read { try $0.map("SELECT name FROM items ORDER BY name") { try $0.string(0) } }
}

func insert(_ name: String, _ database: SQLDatabase) async throws {
    try await database.transaction { try $0.execute("INSERT INTO items (name) VALUES (\(name))") }
}

import Foundation
import Glibc

/// The engines over which tests of stores run. One MariaDB and one PostgreSQL server per test process, on loopback,
/// with data in a temporary directory; both end with the process.
package enum TestEngine: String, Sendable, CaseIterable, CustomStringConvertible {
    case sqlite
    case mariadb
    case postgresql

    package var description: String { rawValue }

    /// The engines whose servers are installed. `KILONOVA_ENGINES=sqlite,mariadb` chooses among them.
    package static let available: [TestEngine] = {
        let chosen = ProcessInfo.processInfo.environment["KILONOVA_ENGINES"]?.split(separator: ",").map(String.init)
        return allCases.filter { $0.isInstalled && chosen?.contains($0.rawValue) ?? true }
    }()

    /// The same without SQLite.
    package static let servers = available.filter { $0 != .sqlite }

    /// Whether its programs are on this machine.
    package var isInstalled: Bool {
        switch self {
        case .sqlite: true
        case .mariadb: DatabaseServer.find("mariadbd") != nil && DatabaseServer.find("mariadb-install-db") != nil
        case .postgresql: DatabaseServer.find("postgres") != nil && DatabaseServer.find("initdb") != nil
        }
    }

    /// The URL of a database of the caller's own that has nothing in it.
    package func newDatabase() async throws -> String {
        switch self {
        case .sqlite: "sqlite://\(TestDirectory.make())/db"
        case .mariadb, .postgresql: try await SharedServers.shared.server(self).newDatabase()
        }
    }
}

/// Directories that are removed when the process ends.
package enum TestDirectory {
    private static let root: String = {
        let root = FileManager.default.temporaryDirectory.path + "/kilonova-stores-\(getpid())"
        try? FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        chmod(root, 0o755)
        atexit { try? FileManager.default.removeItem(atPath: TestDirectory.root) }
        return root
    }()

    /// A new, empty one.
    package static func make() -> String {
        let path = "\(root)/\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}

/// The servers that all tests of a process share.
actor SharedServers {
    static let shared = SharedServers()
    private var starting: [TestEngine: Task<DatabaseServer, any Error>] = [:]

    func server(_ engine: TestEngine) async throws -> DatabaseServer {
        if let known = starting[engine] { return try await known.value }
        var settings = DatabaseServer.Settings()
        // What these hold is not worth a flush; tests of durability have servers of their own.
        settings.arguments =
            engine == .mariadb
            ? ["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"]
            : ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        let task = Task { [settings] in try await DatabaseServer.start(engine, settings) }
        starting[engine] = task
        return try await task.value
    }
}

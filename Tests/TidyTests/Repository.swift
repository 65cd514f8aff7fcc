import Foundation

/// The checkout that these tests were built from, as far as they look at it.
enum Repository {
    struct File: Sendable {
        /// From the root of the repository.
        let path: String
        let text: SwiftText

        /// The target that the file belongs to: `ComputeStore`, `FakeDriver`, `WireJSONTests`, `ComputeModel`.
        var module: String {
            let parts = path.split(separator: "/").map(String.init)
            switch (parts[0], parts[1]) {
            case ("Plugins", "DriverKit"), ("Plugins", "Support"): return parts[3]
            case ("Plugins", let name): return name + "Driver"
            case (_, let name): return name
            }
        }
        var isTest: Bool { path.hasPrefix("Tests/") }
    }

    static let root: String = {
        let folders = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return folders.dropLast(3).joined(separator: "/")
    }()

    static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: root + "/" + path)), as: UTF8.self)
    }

    /// All Swift sources of targets, by path. Manifests and fixtures are not among them.
    static let sources: [File] = {
        var files: [File] = []
        for top in ["Sources", "Plugins", "Tests"] {
            guard let found = FileManager.default.enumerator(atPath: root + "/" + top) else { continue }
            for case let name as String in found where name.hasSuffix(".swift") {
                let path = top + "/" + name
                let isBuilt = path.contains("/.build") || path.hasSuffix("/Package.swift")
                guard !isBuilt, !path.hasPrefix("Tests/Fixtures/"), let text = try? text(path) else { continue }
                files.append(File(path: path, text: SwiftText(text)))
            }
        }
        return files.sorted { $0.path < $1.path }
    }()

    /// What is shipped: everything but tests.
    static let shipped = sources.filter { !$0.isTest }
}

/// Something that is not as it should be, where, and what to do.
struct Finding: CustomStringConvertible, Comparable {
    let path: String
    let line: Int
    let remedy: String

    var description: String { "\(path):\(line): \(remedy)" }
    static func < (left: Self, right: Self) -> Bool { (left.path, left.line) < (right.path, right.line) }
}

/// One line per finding, for a test's comment.
func listed(_ findings: [Finding]) -> String {
    "\(findings.count) found:\n" + findings.sorted().map(\.description).joined(separator: "\n")
}

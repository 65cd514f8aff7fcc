import FoundationEssentials

/// The beginning of a driver: a package that builds, loads and passes the core of the conformance suite, with guests
/// that are files. Its author replaces these by real ones.
package struct DriverScaffold: Sendable {
    /// Why no package was written, in one sentence with the remedy.
    package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// What `compute_driver` will select.
    package let name: String
    /// The driver's class and module: `PaperDriver` for `paper`.
    package let typeName: String

    /// - Parameter name: `[a-z][a-z0-9_]*`, at most 40 characters.
    package init(name: String) throws(Refusal) {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let isName =
            name.utf8.first.map(letters.contains) ?? false
            && name.utf8.allSatisfy { letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "_") }
        guard isName, name.utf8.count <= 40 else {
            throw Refusal(
                description: "'\(name)' cannot be the name of a driver; use lower-case letters, digits and "
                    + "underscores, at most 40, a letter first")
        }
        self.name = name
        let words = name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }
        typeName = words.joined() + "Driver"
    }

    /// The package DriverKit that belongs to this program: in `share/kilonova` beside its folder, or in the checkout in
    /// which it was built.
    package static func installedDriverKit() throws(Refusal) -> String {
        let program = DriverLoader.executableDirectory
        var places = [program + "/../share/kilonova/DriverKit"]
        places += DriverLoader.defaultDirectories().map { $0 + "/DriverKit" }
        for place in places where FileManager.default.fileExists(atPath: place + "/Package.swift") { return place }
        throw Refusal(
            description: "the package DriverKit is not there; looked in \(places.joined(separator: ", ")); say where "
                + "it is with --driverkit")
    }

    /// The files by their path in the package.
    package func files(driverKit: String) -> [String: String] {
        let words = ["@NAME@": name, "@TYPE@": typeName, "@DRIVERKIT@": driverKit]
        func filled(_ template: String) -> String {
            words.reduce(template) { text, word in text.replacing(word.key, with: word.value) }
        }
        return [
            "Package.swift": filled(Self.package), "driver.json": filled(Self.manifest),
            "Makefile": filled(Self.makefile), "README.md": filled(Self.readme), ".gitignore": Self.ignored,
            "Sources/\(typeName).swift": filled(Self.driver), "Sources/GuestFiles.swift": filled(Self.guestFiles),
            "Sources/Entry.swift": filled(Self.entry),
            "Tests/\(typeName)Tests/CoreTests.swift": filled(Self.tests),
        ]
    }

    /// Writes the package.
    ///
    /// - Parameters:
    ///   - directory: absolute; must not exist or be empty.
    ///   - driverKit: the package DriverKit, absolute.
    /// - Returns: the files' paths in it, sorted.
    package func write(to directory: String, driverKit: String) throws(Refusal) -> [String] {
        guard FileManager.default.fileExists(atPath: driverKit + "/Package.swift") else {
            throw Refusal(description: "\(driverKit) is not the package DriverKit: it has no Package.swift")
        }
        if let present = try? FileManager.default.contentsOfDirectory(atPath: directory), !present.isEmpty {
            throw Refusal(description: "\(directory) is not empty; choose another --directory")
        }
        let files = files(driverKit: driverKit)
        for (path, text) in files {
            let file = URL(filePath: directory + "/" + path)
            do {
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file)
            } catch {
                throw Refusal(description: "\(file.path) cannot be written: \(error)")
            }
        }
        return files.keys.sorted()
    }
}

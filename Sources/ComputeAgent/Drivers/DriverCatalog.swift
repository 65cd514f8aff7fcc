package import DriverAPI
import FoundationEssentials

/// The drivers that stand in some directories: every folder with a manifest `driver.json` is one.
///
/// Reading a manifest runs no code of the driver.
package struct DriverCatalog: Sendable {
    /// A driver that was found.
    package struct Entry: Sendable {
        package let manifest: DriverManifest
        /// The folder of the manifest.
        package let directory: String
    }

    /// In the order of the directories, then by name.
    package let entries: [Entry]
    /// Manifests that could not be used, with the reason.
    package let problems: [DriverRefusal]

    /// Reads the manifests in `directories`; a directory that does not exist holds none.
    package init(directories: [String]) {
        var entries: [Entry] = []
        var problems: [DriverRefusal] = []
        for directory in directories {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
            for name in names.sorted() {
                let folder = directory + "/" + name
                let path = folder + "/driver.json"
                guard FileManager.default.fileExists(atPath: path) else { continue }
                do {
                    let manifest = try Self.read(path)
                    if let earlier = entries.first(where: { $0.manifest.name == manifest.name }) {
                        problems.append(
                            .duplicate(name: manifest.name, path: path, first: earlier.directory + "/driver.json"))
                    } else {
                        entries.append(Entry(manifest: manifest, directory: folder))
                    }
                } catch {
                    problems.append(error)
                }
            }
        }
        self.entries = entries
        self.problems = problems
    }

    /// The driver that a value of `compute_driver` selects, by name or alias.
    ///
    /// - Throws: ``DriverRefusal/unknown(name:known:)``.
    package func entry(selectedBy name: String) throws(DriverRefusal) -> Entry {
        if let entry = entries.first(where: { $0.manifest.name == name || $0.manifest.aliases.contains(name) }) {
            return entry
        }
        throw .unknown(name: name, known: entries.map(\.manifest.name))
    }

    private static func read(_ path: String) throws(DriverRefusal) -> DriverManifest {
        let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? UInt64
        guard size ?? 0 <= 65536 else { throw .badManifest(path: path, reason: "it is larger than 64 KiB") }
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw .badManifest(path: path, reason: "it cannot be read")
        }
        let manifest: DriverManifest
        do {
            manifest = try JSONDecoder().decode(DriverManifest.self, from: data)
        } catch DecodingError.keyNotFound(let key, _) {
            throw .badManifest(path: path, reason: "'\(key.stringValue)' is missing")
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            let place = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw .badManifest(path: path, reason: "'\(place)' has the wrong type")
        } catch {
            throw .badManifest(path: path, reason: "it is not valid JSON")
        }
        guard isName(manifest.name) else {
            throw .badManifest(path: path, reason: "the name '\(manifest.name)' is not of the form [a-z0-9_]+")
        }
        guard !manifest.library.isEmpty, !manifest.library.contains("/") else {
            throw .badManifest(path: path, reason: "'library' must be a file name without a directory")
        }
        return manifest
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
            }
    }
}

/// Why a driver was not loaded, in one sentence with the remedy.
package enum DriverRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    case badManifest(path: String, reason: String)
    case duplicate(name: String, path: String, first: String)
    case unknown(name: String, known: [String])
    case noCommonVersion(name: String, offered: [String], known: [String])
    case fingerprint(name: String, manifest: String, host: String)
    case libraryMissing(name: String, library: String, searched: [String])
    case cannotOpen(name: String, path: String, reason: String)
    case notADriver(name: String, path: String, symbol: String)
    case badDescriptor(name: String, path: String)
    case wrongABI(name: String, driver: UInt32, host: UInt32)
    case wrongCompiler(name: String, driver: String, host: String)
    case wrongInterface(name: String, driver: String, host: String)
    case wrongName(name: String, library: String)
    case ownCopyOfDriverKit(name: String, path: String)

    package var description: String {
        switch self {
        case .badManifest(let path, let reason):
            "the driver manifest \(path) cannot be used: \(reason)"
        case .duplicate(let name, let path, let first):
            "\(path) describes a second driver '\(name)'; the one in \(first) is used; remove one of them"
        case .unknown(let name, let known):
            "compute_driver = \(name): there is no such driver; found: "
                + (known.isEmpty ? "none (is driver_plugin_dir right?)" : known.joined(separator: ", "))
        case .noCommonVersion(let name, let offered, let known):
            "driver '\(name)' speaks driver API \(offered.joined(separator: ", ")); this host speaks "
                + "\(known.joined(separator: ", ")); use a driver made for this host"
        case .fingerprint(let name, let manifest, let host):
            "driver '\(name)' was installed for another build (\(manifest), this host is \(host)); rebuild it"
        case .libraryMissing(let name, let library, let searched):
            "the library \(library) of driver '\(name)' is not there; looked in \(searched.joined(separator: ", ")); "
                + "build or install it"
        case .cannotOpen(let name, let path, let reason):
            "the library \(path) of driver '\(name)' cannot be opened: \(reason)"
        case .notADriver(let name, let path, let symbol):
            "\(path), named by driver '\(name)', is not a driver: it has no function \(symbol)"
        case .badDescriptor(let name, let path):
            "\(path), named by driver '\(name)', answers with a descriptor that is not one of ours"
        case .wrongABI(let name, let driver, let host):
            "driver '\(name)' was built for DriverKit ABI \(driver), this host has \(host); rebuild it"
        case .wrongCompiler(let name, let driver, let host):
            "driver '\(name)' was built by another compiler (\(driver), this host by \(host)); rebuild it"
        case .wrongInterface(let name, let driver, let host):
            "driver '\(name)' was built against other sources of DriverKit (\(driver), this host has \(host)); "
                + "rebuild it"
        case .wrongName(let name, let library):
            "the library of driver '\(name)' calls itself '\(library)'; manifest and library do not belong together"
        case .ownCopyOfDriverKit(let name, let path):
            "\(path) of driver '\(name)' carries its own copy of DriverKit; link it to the dynamic product instead"
        }
    }
}

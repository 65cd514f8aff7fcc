import FoundationEssentials
import Glibc
import NIOPosix

/// The data of images: one file each in one directory. Files that are still being written end in `.part`.
package struct ImageFiles: Sendable {
    /// The directory.
    package let directory: String

    /// Opens the directory, and makes it where there is none.
    ///
    /// - Throws: ``ImageFileError`` with the directory and the remedy in its text.
    package static func open(directory: String) async throws -> ImageFiles {
        try await NIOThreadPool.singleton.runIfActive {
            do {
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            } catch {
                throw ImageFileError(directory, "cannot be made: \(error)", errorNumber: errno)
            }
            guard access(directory, W_OK | X_OK) == 0 else {
                throw ImageFileError(directory, "cannot be written to", errorNumber: errno)
            }
            return ImageFiles(directory: directory)
        }
    }

    /// Where the data of an image are.
    func path(of file: String) -> String { "\(directory)/\(file)" }

    /// Begins a new file. It becomes visible under its name when it is committed.
    func begin(_ file: String) async throws -> ImageFileWriter {
        let (final, directory) = (path(of: file), directory)
        return try await NIOThreadPool.singleton.runIfActive {
            let staged = final + ".part"
            let descriptor = Glibc.open(staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
            guard descriptor >= 0 else { throw ImageFileError(staged, "cannot be made", errorNumber: errno) }
            return ImageFileWriter(descriptor: descriptor, staged: staged, final: final, directory: directory)
        }
    }

    /// Removes a file; one that is not there is no error.
    func remove(_ file: String) async throws {
        let path = path(of: file)
        try await NIOThreadPool.singleton.runIfActive {
            guard unlink(path) == 0 || errno == ENOENT else {
                throw ImageFileError(path, "cannot be removed", errorNumber: errno)
            }
        }
    }

    /// Removes all files that no image has.
    ///
    /// - Returns: the names of the removed ones.
    func removeLeftovers(keeping known: Set<String>) async throws -> [String] {
        try await NIOThreadPool.singleton.runIfActive { [directory] in
            let names = try FileManager.default.contentsOfDirectory(atPath: directory)
            var removed: [String] = []
            // Only names as we give them: the directory may hold what is not ours.
            for name in names.sorted() where Self.isOurs(name) && !known.contains(name) {
                if unlink("\(directory)/\(name)") == 0 { removed.append(name) }
            }
            return removed
        }
    }

    /// A name for the data of one upload: the image and the upload, so that two uploads never meet.
    static func name(image: some CustomStringConvertible, upload: some CustomStringConvertible) -> String {
        "\(image)_\(upload)"
    }

    private static func isOurs(_ name: String) -> Bool {
        let plain = name.hasSuffix(".part") ? name.dropLast(5) : name[...]
        let parts = plain.split(separator: "_")
        return parts.count == 2 && parts.allSatisfy { UUID(uuidString: String($0)) != nil }
    }
}

/// Why a file of an image could not be written or read.
package struct ImageFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file and what failed, in one sentence.
    package let description: String
    /// `errno`.
    package let errorNumber: CInt

    init(_ path: String, _ what: String, errorNumber: CInt) {
        description = "\(path) \(what): \(String(cString: strerror(errorNumber)))"
        self.errorNumber = errorNumber
    }

    /// Whether the device, or the owner's share of it, is full.
    var isFull: Bool { errorNumber == ENOSPC || errorNumber == EDQUOT || errorNumber == EFBIG }
    /// Whether the system does not let us write.
    var isDenied: Bool { errorNumber == EACCES || errorNumber == EROFS || errorNumber == EPERM }
}

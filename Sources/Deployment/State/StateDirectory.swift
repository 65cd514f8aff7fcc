import FoundationEssentials
import Glibc

/// The directory under which a deployment keeps everything: databases, images, guests, logs, secrets.
package struct StateDirectory: Sendable {
    /// Absolute.
    package let path: String
    /// Holds the lock that keeps a second process out; closed by the system when this one ends, however it ends.
    private let lock: Int32

    /// A file that marks a directory as one of ours, so that nothing else is ever wiped.
    package static let marker = ".kilonova-state"

    /// Makes the directory where needed and takes its lock.
    ///
    /// - Throws: ``DeploymentError``, when it cannot be written or another process has it.
    package static func open(_ path: String) throws(DeploymentError) -> StateDirectory {
        let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        for folder in ["", "/db", "/log", "/run", "/instances", "/images", "/agent", "/drivers"] {
            try make(absolute + folder)
        }
        try touch(absolute + "/" + marker)
        let lockPath = absolute + "/run/lock"
        let lock = Glibc.open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else {
            throw DeploymentError(.unavailable, "\(lockPath) cannot be opened: \(reason()); is the directory writable?")
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            throw DeploymentError(
                .unavailable,
                "the state directory \(absolute) is in use by another kilonovad; stop it or choose another --state-dir")
        }
        return StateDirectory(path: absolute, lock: lock)
    }

    /// A path below the directory.
    package func below(_ name: String) -> String { path + "/" + name }

    /// Writes a file that only this user may read, whole or not at all.
    package func write(_ name: String, _ text: String, mode: UInt32 = 0o600) throws(DeploymentError) {
        let target = below(name)
        let temporary = target + ".new"
        let file = Glibc.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard file >= 0 else {
            throw DeploymentError(.unavailable, "\(temporary) cannot be written: \(Self.reason())")
        }
        let bytes = Array(text.utf8)
        let written = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        let failure = written == bytes.count && fsync(file) == 0 ? nil : Self.reason()
        close(file)
        if let failure {
            unlink(temporary)
            throw DeploymentError(.unavailable, "\(target) cannot be written: \(failure)")
        }
        guard rename(temporary, target) == 0 else {
            throw DeploymentError(.unavailable, "\(target) cannot be replaced: \(Self.reason())")
        }
    }

    /// A folder below the directory, made where needed.
    package func folder(_ name: String) throws(DeploymentError) -> String {
        try Self.make(below(name))
        return below(name)
    }

    /// The text of a file; `nil` when there is none.
    package func read(_ name: String) -> String? {
        guard let data = try? Data(contentsOf: URL(filePath: below(name))) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    /// Removes a file, if it is there.
    package func remove(_ name: String) { unlink(below(name)) }

    private static func make(_ path: String) throws(DeploymentError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw DeploymentError(
                .unavailable,
                "the directory \(path) cannot be made: \(reason()); choose another --state-dir or mend its rights")
        }
        guard access(path, W_OK | X_OK) == 0 else {
            throw DeploymentError(
                .unavailable,
                "the directory \(path) cannot be written: \(reason()); choose another --state-dir or mend its rights")
        }
    }

    private static func touch(_ path: String) throws(DeploymentError) {
        let file = Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else {
            throw DeploymentError(
                .unavailable, "\(path) cannot be written: \(reason()); choose another --state-dir or mend its rights")
        }
        close(file)
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

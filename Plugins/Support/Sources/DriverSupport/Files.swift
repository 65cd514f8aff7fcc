package import DriverAPI
import FoundationEssentials
package import Glibc

/// A failed operation on a file.
package struct FileFailure: Error, Hashable, Sendable {
    /// What was attempted: `create the directory /x`.
    package let call: String
    /// errno.
    package let number: Int32

    package init(call: String, number: Int32) { (self.call, self.number) = (call, number) }

    /// One sentence.
    package var message: String { "cannot \(call): \(systemErrorText(number))" }

    /// What the agent is told.
    package var driverError: DriverError {
        [ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM].contains(number) ? .insufficientResources(message) : .failed(message)
    }
}

/// Reads a small file as text.
package func readText(_ path: String, bytesMax: Int) throws(FileFailure) -> String {
    String(decoding: try readTail(path, bytesMax: bytesMax, whole: true), as: UTF8.self)
}

/// The last bytes of a file, or with `whole` its first.
package func readTail(_ path: String, bytesMax: Int, whole: Bool = false) throws(FileFailure) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw FileFailure(call: "open \(path)", number: errno) }
    defer { close(file) }
    var information = stat()
    guard fstat(file, &information) == 0 else { throw FileFailure(call: "read \(path)", number: errno) }
    if !whole, information.st_size > bytesMax { lseek(file, off_t(Int(information.st_size) - bytesMax), SEEK_SET) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < bytesMax {
        let count = read(file, &buffer, min(buffer.count, bytesMax - bytes.count))
        guard count >= 0 else { throw FileFailure(call: "read \(path)", number: errno) }
        if count == 0 { break }
        bytes += buffer.prefix(count)
    }
    return bytes
}

/// Replaces a file's content so that after a crash it is the old or the new one, whole.
package func writeDurably(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(FileFailure) {
    let temporary = "\(path).new"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard file >= 0 else { throw FileFailure(call: "write \(temporary)", number: errno) }
    do throws(FileFailure) {
        defer { close(file) }
        try writeAll(bytes, to: file, path: temporary)
        guard fsync(file) == 0 else { throw FileFailure(call: "write \(temporary)", number: errno) }
    } catch {
        unlink(temporary)
        throw error
    }
    try moveDurably(temporary, to: path)
}

/// Writes everything to an open file.
package func writeAll(_ bytes: [UInt8], to file: Int32, path: String) throws(FileFailure) {
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes { write(file, $0.baseAddress?.advanced(by: written), bytes.count - written) }
        guard count > 0 else { throw FileFailure(call: "write \(path)", number: errno) }
        written += count
    }
}

/// Renames a file over another and makes the directory remember it.
package func moveDurably(_ source: String, to target: String) throws(FileFailure) {
    guard rename(source, target) == 0 else { throw FileFailure(call: "rename \(source) to \(target)", number: errno) }
    syncFile(parentDirectory(of: target))
}

/// Asks the system to bring a file or directory to disk.
package func syncFile(_ path: String) {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    fsync(file)
    close(file)
}

/// The directory part of a path.
package func parentDirectory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// Makes a directory and those above it.
package func makeDirectories(_ path: String, mode: mode_t) throws(FileFailure) {
    if isDirectory(path) { return }
    let above = parentDirectory(of: path)
    if above != path, above != "." { try makeDirectories(above, mode: mode) }
    guard mkdir(path, mode) == 0 || errno == EEXIST else {
        throw FileFailure(call: "create the directory \(path)", number: errno)
    }
}

/// Removes a file or a directory with all that is in it; succeeds when it is absent. Links are not followed.
package func removeTree(_ path: String) throws(FileFailure) {
    var information = stat()
    guard lstat(path, &information) == 0 else {
        if errno == ENOENT { return }
        throw FileFailure(call: "look at \(path)", number: errno)
    }
    do {
        try FileManager.default.removeItem(atPath: path)
    } catch {
        guard lstat(path, &information) == 0 else { return }
        throw FileFailure(call: "remove \(path) (\(error))", number: errno == 0 ? EIO : errno)
    }
}

/// Names in a directory, sorted; empty when it cannot be read.
package func namesInDirectory(_ path: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
}

/// Whether something is there, a dangling link included.
package func exists(_ path: String) -> Bool {
    var information = stat()
    return lstat(path, &information) == 0
}

/// Whether a directory is there.
package func isDirectory(_ path: String) -> Bool {
    var information = stat()
    return stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
}

/// Length of a file; `nil` when it is absent.
package func fileSize(_ path: String) -> UInt64? {
    var information = stat()
    return stat(path, &information) == 0 ? UInt64(information.st_size) : nil
}

/// Total and free bytes of the file system that holds a path.
package func diskSpace(_ path: String) throws(FileFailure) -> (total: UInt64, free: UInt64) {
    var information = statvfs()
    guard statvfs(path, &information) == 0 else { throw FileFailure(call: "measure \(path)", number: errno) }
    let block = UInt64(information.f_frsize)
    return (UInt64(information.f_blocks) * block, UInt64(information.f_bavail) * block)
}

/// Makes a sparse file of that length.
package func makeSparseFile(_ path: String, size: UInt64, mode: mode_t = 0o600) throws(FileFailure) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard file >= 0 else { throw FileFailure(call: "create \(path)", number: errno) }
    defer { close(file) }
    guard ftruncate(file, off_t(clamping: size)) == 0 else {
        let number = errno
        unlink(path)
        throw FileFailure(call: "size \(path)", number: number)
    }
}

/// Whether a file can be opened past the page cache.
package func opensDirectly(_ path: String) -> Bool {
    let directAccess: Int32 = 0o40000  // O_DIRECT, which Swift's Glibc does not show
    let file = open(path, O_RDONLY | O_CLOEXEC | directAccess)
    guard file >= 0 else { return false }
    close(file)
    return true
}

/// Whether files in a directory can be opened past the page cache.
package func supportsDirectAccess(_ path: String) -> Bool {
    let probe = "\(path)/.direct-access-probe"
    let directAccess: Int32 = 0o40000  // O_DIRECT, which Swift's Glibc does not show
    let file = open(probe, O_WRONLY | O_CREAT | O_CLOEXEC | directAccess, 0o600)
    guard file >= 0 else { return false }
    close(file)
    unlink(probe)
    return true
}

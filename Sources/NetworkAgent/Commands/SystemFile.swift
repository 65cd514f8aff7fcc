import Glibc

/// The few things done with files: small, whole, and replaced at once.
enum SystemFile {
    static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The whole file; `nil` if it is not there or cannot be read.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count > 0 {
                content.append(contentsOf: buffer[..<count])
            } else if count == 0 {
                return content
            } else if errno != EINTR {
                return nil
            }
        }
    }

    /// The whole file as text.
    static func text(_ path: String) -> String? { read(path).map { String(decoding: $0, as: UTF8.self) } }

    /// Puts a file in place at once, readable by everyone; leaves it alone if it already says the same.
    ///
    /// - Returns: whether anything changed.
    @discardableResult
    static func write(_ text: String, to path: String) throws(HostNetworkError) -> Bool {
        let bytes = Array(text.utf8)
        if read(path) == bytes { return false }
        let draft = path + ".new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .system(what: "write \(draft)", code: errno) }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
            } else if errno != EINTR {
                let code = errno
                close(descriptor)
                throw .system(what: "write \(draft)", code: code)
            }
        }
        fchmod(descriptor, 0o644)
        close(descriptor)
        guard rename(draft, path) == 0 else { throw .system(what: "put \(path) in place", code: errno) }
        return true
    }

    /// Makes a directory and those above it; everyone may pass through the new ones.
    static func makeDirectory(_ path: String) throws(HostNetworkError) {
        var partial = ""
        for name in path.split(separator: "/") {
            partial += "/\(name)"
            if mkdir(partial, 0o755) == 0 {
                chmod(partial, 0o755)
            } else if errno != EEXIST {
                throw .system(what: "make the directory \(partial)", code: errno)
            }
        }
    }

    /// The names in a directory; none if there is no such directory.
    static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file, or a directory with the files in it.
    static func remove(_ path: String) {
        if unlink(path) == 0 { return }
        for name in names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }

    /// What tells a file from every other one while it exists, symbolic links followed.
    static func identity(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) &* 1_000_003 ^ UInt64(status.st_dev) : nil
    }

    /// The first directory on the way to `path`, itself included, that others may not pass through.
    static func firstClosedDirectory(onTheWayTo path: String) -> String? {
        var partial = ""
        for name in path.split(separator: "/") {
            partial += "/\(name)"
            var status = stat()
            if stat(partial, &status) == 0, status.st_mode & 0o001 == 0 { return partial }
        }
        return nil
    }
}

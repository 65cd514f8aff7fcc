import Glibc

/// A TCP connection, used from one blocking thread and closed from any.
final class Connection: Sendable {
    private let file: Int32

    /// Takes over a connected socket. Reads and writes that take longer than so many seconds fail; 0 for no limit.
    init(_ file: Int32, limitSeconds: Int = 0) {
        self.file = file
        Self.limit(file, limitSeconds)
        var on: Int32 = 1
        setsockopt(file, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(file) }

    private static func limit(_ file: Int32, _ seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Connects; `nil` with the reason in `errno` when nobody answers there.
    convenience init?(host: String, port: Int, limitSeconds: Int) {
        guard var address = sockaddr_in(host, port) else {
            errno = EINVAL
            return nil
        }
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard file >= 0 else { return nil }
        // Limits the attempt to connect as well.
        Self.limit(file, limitSeconds)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(file, $0, size) }
        }
        guard result == 0 else {
            let reason = errno
            close(file)
            errno = reason
            return nil
        }
        self.init(file, limitSeconds: limitSeconds)
    }

    /// Wakes the thread that reads or writes; both fail from now on.
    func end() { _ = shutdown(file, Int32(SHUT_RDWR)) }

    /// What has come, at most so many bytes; `nil` at the end.
    func read(most: Int = 4096) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: most)
        let count = bytes.withUnsafeMutableBytes { recv(file, $0.baseAddress, $0.count, 0) }
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }

    /// Exactly so many bytes; `nil` when the connection ends before.
    func read(exactly count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let more = read(most: count - bytes.count) else { return nil }
            bytes += more
        }
        return bytes
    }

    /// A line without its end; `nil` when it is longer than allowed or the connection ends before.
    func readLine(most: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count <= most {
            guard let more = read(most: 65_536) else { return nil }
            bytes += more
            if bytes.last == UInt8(ascii: "\n") { return Array(bytes.dropLast()) }
        }
        return nil
    }

    /// Whether all was written.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let written = bytes[done...].withUnsafeBytes { bytes in
                send(file, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard written > 0 else { return false }
            done += written
        }
        return true
    }
}

extension sockaddr_in {
    /// An IPv4 address in numbers; `nil` for any other text.
    init?(_ host: String, _ port: Int) {
        self.init()
        guard (0...65_535).contains(port), inet_pton(AF_INET, host, &sin_addr) == 1 else { return nil }
        sin_family = sa_family_t(AF_INET)
        sin_port = in_port_t(port).bigEndian
    }
}

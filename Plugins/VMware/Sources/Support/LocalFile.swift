import DriverAPI
import Glibc

/// A file of this host, open for as long as somebody holds it. Its calls block.
final class LocalFile {
    let path: String
    private let descriptor: Int32
    /// `SEEK_DATA` of Linux, which its headers hide from Swift.
    private static let seekData: Int32 = 3

    init(reading path: String) throws(VimFailure) {
        self.path = path
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure("read", path, errno) }
    }

    init(creating path: String) throws(VimFailure) {
        self.path = path
        descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure("make", path, errno) }
    }

    deinit { close(descriptor) }

    var length: UInt64 {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? UInt64(status.st_size) : 0
    }

    /// Up to `count` bytes; fewer only at the end of the file.
    func read(_ count: Int, at offset: UInt64) throws(VimFailure) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let result = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(offset) + off_t(filled))
                if result < 0 && errno == EINTR { continue }
                if result < 0 { failure = errno }
                if result <= 0 { return }
                filled += result
            }
        }
        guard failure == 0 else { throw Self.failure("read", path, failure) }
        return bytes
    }

    func write(_ bytes: [UInt8], at offset: UInt64) throws(VimFailure) {
        var done = 0
        while done < bytes.count {
            let result = bytes.withUnsafeBytes { buffer in
                pwrite(
                    descriptor, buffer.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + off_t(done))
            }
            if result < 0 && errno == EINTR { continue }
            guard result > 0 else { throw Self.failure("write", path, errno) }
            done += result
        }
    }

    /// Where data begins at or after `offset`; `nil` when only a hole follows.
    func nextData(from offset: UInt64) -> UInt64? {
        let found = lseek(descriptor, off_t(offset), Self.seekData)
        if found < 0 { return errno == ENXIO ? nil : offset }
        return UInt64(found)
    }

    private static func failure(_ what: String, _ path: String, _ number: Int32) -> VimFailure {
        let text = "cannot \(what) \(path): \(String(cString: strerror(number)))"
        return .driver(number == ENOSPC || number == EDQUOT ? .insufficientResources(text) : .failed(text))
    }
}

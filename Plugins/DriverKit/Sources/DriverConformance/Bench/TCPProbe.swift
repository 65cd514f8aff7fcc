import DriverAPI
import Glibc

/// Connects to consoles. Blocking sockets, so each exchange has a thread of its own.
enum TCPProbe {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Connects, sends some bytes, and reads until there are so many or the limit is over.
    ///
    /// - Returns: what was read, possibly less.
    static func exchange(
        host: String, port: Int, sending bytes: [UInt8] = [], reading count: Int = 0, within limit: Duration
    ) async throws -> [UInt8] {
        let outcome = OneShot<Result<[UInt8], Failure>>()
        let job = Job { outcome.set(talk(host, port, bytes, count, limit)) }
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Job>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(job).toOpaque())
        guard status == 0 else { throw Failure(description: "no thread can be started: error \(status)") }
        pthread_detach(thread)
        return try await outcome.value.get()
    }

    private final class Job: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private static func talk(
        _ host: String, _ port: Int, _ bytes: [UInt8], _ count: Int, _ limit: Duration
    ) -> Result<[UInt8], Failure> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &found)
        guard status == 0, let found else {
            return .failure(Failure(description: "\(host) cannot be found: \(String(cString: gai_strerror(status)))"))
        }
        defer { freeaddrinfo(found) }
        let file = socket(found.pointee.ai_family, found.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard file >= 0 else { return .failure(Failure(description: "no socket: \(reason())")) }
        defer { close(file) }
        let whole = max(1, Int(limit.components.seconds))
        var time = timeval(tv_sec: whole, tv_usec: 0)
        setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        guard connect(file, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0 else {
            return .failure(Failure(description: "\(host) port \(port) takes no connection: \(reason())"))
        }
        if !bytes.isEmpty, send(file, bytes, bytes.count, Int32(MSG_NOSIGNAL)) != bytes.count {
            return .failure(Failure(description: "\(host) port \(port) takes no bytes: \(reason())"))
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while answer.count < count {
            let got = recv(file, &buffer, min(buffer.count, count - answer.count), 0)
            guard got > 0 else { break }
            answer += buffer[..<got]
        }
        return .success(answer)
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

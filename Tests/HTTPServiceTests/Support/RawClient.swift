import Glibc
import NIOPosix

/// A client that sends raw bytes over a blocking socket, on threads of its own, so that the cooperative pool stays free
/// for the server under test.
actor RawClient {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Response: Sendable {
        var status = 0
        var headers: [(name: String, value: String)] = []
        var body: [UInt8] = []

        subscript(name: String) -> String? { headers.first { $0.name == name.lowercased() }?.value }
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 24)
        pool.start()
        return pool
    }()

    private let descriptor: CInt
    private var received: [UInt8] = []
    private var isOpen = true

    init(port: Int, receiveBuffer: Int? = nil) async throws {
        descriptor = try await Self.threads.runIfActive { try connectNow(port, receiveBuffer) }
    }

    deinit { if isOpen { Glibc.close(descriptor) } }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        let descriptor = descriptor
        try await Self.threads.runIfActive {
            var offset = 0
            while offset < bytes.count {
                let sent = bytes[offset...].withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, noSignal)
                }
                guard sent > 0 else { throw Failure(description: "send: \(String(cString: strerror(errno)))") }
                offset += sent
            }
        }
    }

    /// Sends the piece again and again, up to `total` bytes, until there is no room for the given time; the number of
    /// bytes taken.
    func sendAsMuchAsFits(of piece: [UInt8], total: Int, quietMilliseconds: CInt) async throws -> Int {
        let descriptor = descriptor
        return try await Self.threads.runIfActive {
            var taken = 0
            while taken < total {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&entry, 1, quietMilliseconds) == 1 else { break }
                let sent = piece.prefix(total - taken).withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, noSignal | Int32(MSG_DONTWAIT))
                }
                guard sent > 0 else { break }
                taken += sent
            }
            return taken
        }
    }

    /// One response. Interim ones (100) are responses here too. `hasBody` false: the answer to a HEAD.
    func response(hasBody: Bool = true) async throws -> Response {
        var response = try parse(head: try await take(through: "\r\n\r\n"))
        guard hasBody, response.status >= 200, response.status != 204, response.status != 304 else { return response }
        if let length = response["content-length"].flatMap({ Int($0) }) {
            response.body = try await take(count: length)
        } else if response["transfer-encoding"] == "chunked" {
            while true {
                let line = String(decoding: try await take(through: "\r\n").dropLast(2), as: UTF8.self)
                guard let size = Int(line, radix: 16) else { throw Failure(description: "chunk size \(line)") }
                response.body += try await take(count: size + 2).dropLast(2)
                if size == 0 { return response }
            }
        } else {
            response.body = try await rest()
        }
        return response
    }

    /// Everything until the server closes.
    func rest() async throws -> [UInt8] {
        while try await receiveMore() {}
        defer { received = [] }
        return received
    }

    /// Whether the server closes (or resets) the connection without sending anything more.
    func isClosedByServer() async -> Bool {
        do { return try await !receiveMore() && received.isEmpty } catch let error as Failure {
            return error.description.contains("reset")
        } catch { return false }
    }

    /// Receives and forgets that many bytes.
    func skip(_ count: Int) async throws {
        let descriptor = descriptor
        let left = count - received.count
        received = []
        try await Self.threads.runIfActive {
            var left = left
            while left > 0 {
                let chunk = try receiveNow(descriptor, min(left, 1 << 20))
                guard !chunk.isEmpty else { throw Failure(description: "closed with \(left) bytes missing") }
                left -= chunk.count
            }
        }
    }

    func take(count: Int) async throws -> [UInt8] {
        while received.count < count {
            guard try await receiveMore() else { throw Failure(description: "closed after \(received.count) bytes") }
        }
        defer { received.removeFirst(count) }
        return Array(received.prefix(count))
    }

    func take(through mark: String) async throws -> [UInt8] {
        let mark = Array(mark.utf8)
        while true {
            if let range = received.firstRange(of: mark) {
                defer { received.removeFirst(range.upperBound) }
                return Array(received[..<range.upperBound])
            }
            guard try await receiveMore() else {
                throw Failure(description: "closed after: \(String(decoding: received, as: UTF8.self))")
            }
        }
    }

    func closeSending() { Glibc.shutdown(descriptor, Int32(SHUT_WR)) }

    func close() {
        guard isOpen else { return }
        isOpen = false
        Glibc.close(descriptor)
    }

    private func receiveMore() async throws -> Bool {
        let descriptor = descriptor
        let chunk = try await Self.threads.runIfActive { try receiveNow(descriptor, 65_536) }
        received += chunk
        return !chunk.isEmpty
    }

    private func parse(head: [UInt8]) throws -> Response {
        let lines = String(decoding: head.dropLast(4), as: UTF8.self).components(separatedBy: "\r\n")
        var response = Response()
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
            throw Failure(description: "status line \(lines[0])")
        }
        response.status = status
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { throw Failure(description: "field \(line)") }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            response.headers.append((line[..<colon].lowercased(), String(value)))
        }
        return response
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}

private func connectNow(_ port: Int, _ receiveBuffer: Int?) throws -> CInt {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if let receiveBuffer {
        var size = CInt(receiveBuffer)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
    }
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = loopback(port)
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard result == 0 else {
        let reason = String(cString: strerror(errno))
        Glibc.close(descriptor)
        throw RawClient.Failure(description: "connect: \(reason)")
    }
    return descriptor
}

private func receiveNow(_ descriptor: CInt, _ count: Int) throws -> [UInt8] {
    var failure: CInt = 0
    let chunk = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        let got = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if got < 0 { failure = errno }
        initialized = max(0, got)
    }
    guard failure == 0 else { throw RawClient.Failure(description: "receive: \(String(cString: strerror(failure)))") }
    return chunk
}

private let noSignal = Int32(MSG_NOSIGNAL)

func loopback(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    return address
}

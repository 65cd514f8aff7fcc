import DriverAPI
import Glibc

/// A TCP port of the system's choice. Each connection is served on a thread of its own.
final class Listener: Sendable {
    /// More connections at once are turned away.
    private static let connectionsMax = 32

    let port: Int
    private let file: Int32
    private struct State {
        var connections: [Int: Connection] = [:]
        var lastNumber = 0
        var isClosed = false
    }
    private let state = Locked(State())

    /// - Parameter limitSeconds: how long a peer may keep silent before its connection ends; 0 for ever.
    /// - Throws: ``DriverError/failed(_:)`` for an address that is not the host's.
    init(
        address host: String, limitSeconds: Int = 0, serve: @escaping @Sendable (Connection) -> Void
    ) throws(DriverError) {
        guard var address = sockaddr_in(host, 0) else {
            throw .failed("[fake] console_address = \(host) is not an IPv4 address in numbers")
        }
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard file >= 0, bind(file, address, size) == 0, listen(file, 16) == 0 else { return false }
                return getsockname(file, address, &size) == 0
            }
        }
        guard result else {
            let reason = String(cString: strerror(errno))
            if file >= 0 { Glibc.close(file) }
            throw .failed("the fake driver cannot listen at \(host): \(reason)")
        }
        self.file = file
        port = Int(in_port_t(bigEndian: address.sin_port))
        // The thread holds on to this object until `close` ends it.
        let started = OwnThread.start { [self] in accept(limitSeconds, serve) }
        guard started else {
            Glibc.close(file)
            throw .insufficientResources("the system gives no more threads")
        }
    }

    private func accept(_ limitSeconds: Int, _ serve: @escaping @Sendable (Connection) -> Void) {
        while true {
            let accepted = Glibc.accept(file, nil, nil)
            guard accepted >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                break
            }
            let connection = Connection(accepted, limitSeconds: limitSeconds)
            let number: Int? = state.with { state in
                guard !state.isClosed, state.connections.count < Self.connectionsMax else { return nil }
                state.lastNumber += 1
                state.connections[state.lastNumber] = connection
                return state.lastNumber
            }
            guard let number else { continue }
            OwnThread.start { [self] in
                serve(connection)
                connection.end()
                state.with { _ = $0.connections.removeValue(forKey: number) }
            }
        }
        Glibc.close(file)
    }

    /// Ends the port and every connection.
    func close() {
        let open: [Connection] = state.with { state in
            guard !state.isClosed else { return [] }
            state.isClosed = true
            // Wakes the thread that accepts, which then closes the file.
            _ = shutdown(file, Int32(SHUT_RDWR))
            return Array(state.connections.values)
        }
        for connection in open { connection.end() }
    }
}

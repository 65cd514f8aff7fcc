import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// What goes between the drivers of both sides of a live migration.
struct LivePackage: Codable, Sendable {
    /// Tells this move from all others.
    var token: String
    var destination: String
    /// Where the destination takes the guest.
    var host: String
    var port: Int
    var cpuModel: String
    /// The destination's shared storage; `nil` for none.
    var sharedStorage: String?
    /// The guest as it runs on the source; filled in by the source's check.
    var guest: FakeGuest?
    /// Its root disk, where it is copied.
    var disk: FakeDisk?

    init(
        token: String, destination: String, host: String, port: Int, cpuModel: String, sharedStorage: String?
    ) {
        (self.token, self.destination, self.host, self.port) = (token, destination, host, port)
        (self.cpuModel, self.sharedStorage) = (cpuModel, sharedStorage)
    }

    init(_ package: MovePackage) throws(DriverError) { self = try unpackJSON(package) }

    var packed: MovePackage {
        get throws(DriverError) { MovePackage(version: 1, data: try packJSON(self)) }
    }
}

/// What a source tells the destination when the guest comes over.
struct Landing: Codable, Sendable {
    var token: String
    /// As it ran at the last moment.
    var guest: FakeGuest
}

/// Both ends of the way that guests take between fake nodes: a port on which they come, and the moves that go on.
final class LiveMoveDesk: Sendable {
    /// Longest message: a guest with all its devices.
    private static let messageBytesMax = 4 << 20
    /// For connecting, sending and waiting for what the other side says, each.
    private static let limitSeconds = 3

    /// A move that leaves this node now.
    final class Run: Sendable {
        struct Wishes: Sendable {
            var abort = false
            var forceComplete = false
            /// The guest is finished on the destination: it cannot be held any more.
            var isBeyondReturn = false
        }
        let wishes = Locked(Wishes())
    }
    private struct State {
        var listener: Listener?
        var runs: [GuestID: Run] = [:]
        var isClosed = false
    }
    private let address: String
    private let state = Locked(State())

    init(address: String) { self.address = address }

    /// The port on which guests come, opened if need be.
    ///
    /// - Parameter land: takes a guest; returns why not, `nil` for welcome.
    func open(_ land: @escaping @Sendable (Landing) -> String?) throws(DriverError) -> (host: String, port: Int) {
        let result: Result<Int, DriverError> = state.with { state in
            if let listener = state.listener { return .success(listener.port) }
            if state.isClosed { return .failure(.unreachable("the fake driver has been shut down")) }
            do throws(DriverError) {
                let listener = try Listener(address: address, limitSeconds: Self.limitSeconds) { connection in
                    guard let line = connection.readLine(most: Self.messageBytesMax),
                        let landing = try? JSONDecoder().decode(Landing.self, from: Data(line))
                    else { return }
                    connection.write(Array("\(land(landing) ?? "welcome")\n".utf8))
                }
                state.listener = listener
                return .success(listener.port)
            } catch {
                return .failure(error)
            }
        }
        return (address, try result.get())
    }

    /// Hands a guest over.
    ///
    /// - Returns: why the destination does not take it; `nil` when it has it.
    /// - Throws: ``DriverError/unreachable(_:)`` when the destination may or may not have it.
    static func hand(_ landing: Landing, to host: String, _ port: Int) throws(DriverError) -> String? {
        let message = try packJSON(landing) + [UInt8(ascii: "\n")]
        var mayHaveCome = false
        for _ in 0..<3 {
            guard let connection = Connection(host: host, port: port, limitSeconds: limitSeconds) else {
                let reason = "\(host):\(port) does not answer: \(String(cString: strerror(errno)))"
                if mayHaveCome { continue }
                return reason
            }
            guard connection.write(message) else { continue }
            mayHaveCome = true
            if let line = connection.readLine(most: 4096) {
                let answer = String(decoding: line, as: UTF8.self)
                return answer == "welcome" ? nil : answer
            }
        }
        guard mayHaveCome else { return "\(host):\(port) does not take the guest" }
        throw .unreachable("nobody knows whether \(host):\(port) has taken guest \(landing.guest.id)")
    }

    func begin(_ guest: GuestID) -> Run {
        let run = Run()
        state.with { $0.runs[guest] = run }
        return run
    }

    func end(_ guest: GuestID) { state.with { $0.runs[guest] = nil } }

    subscript(guest: GuestID) -> Run? { state.with { $0.runs[guest] } }

    func close() {
        let listener: Listener? = state.with { state in
            state.isClosed = true
            defer { state.listener = nil }
            return state.listener
        }
        listener?.close()
    }
}

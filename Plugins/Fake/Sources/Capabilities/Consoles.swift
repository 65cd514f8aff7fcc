import ComputeModel
import DriverAPI

/// Gives interactive access to guests: a serial port that says back what it hears, a screen of one colour over RFB, and
/// where the operator names one, somebody's SPICE server.
struct Consoles: OfferingConsoles {
    let hypervisor: Hypervisor

    var kinds: Set<ConsoleKind> {
        hypervisor.options.spiceConsole == nil ? [.vnc, .serial] : [.vnc, .serial, .spice]
    }

    func console(_ kind: ConsoleKind, of guest: GuestID) async throws(DriverError) -> ConsoleAddress {
        let hypervisor = hypervisor
        let kinds = kinds
        return try await hypervisor.look(.console, guest) { (guest) throws(DriverError) in
            guard kinds.contains(kind) else {
                throw .notSupported("guest \(guest.id) has no console of the kind \(kind.rawValue)")
            }
            guard guest.power == .running || hypervisor.mutation == .consoleOfStoppedGuest else {
                throw .refused("guest \(guest.id) does not run: it has no console")
            }
            if kind == .spice, let address = hypervisor.options.spiceConsole { return address }
            return try hypervisor.consoles.open(kind, of: guest)
        }
    }
}

/// The ports of guests' consoles: opened when they are asked for, closed when the guest goes off.
final class ConsoleDesk: Sendable {
    private struct Key: Hashable, Sendable {
        var guest: GuestID
        var kind: ConsoleKind
    }
    private struct State {
        var ports: [Key: Listener] = [:]
        var isClosed = false
    }
    private let address: String
    private let state = Locked(State())

    init(address: String) { self.address = address }

    /// The port of a console, opened if need be.
    func open(_ kind: ConsoleKind, of guest: FakeGuest) throws(DriverError) -> ConsoleAddress {
        let key = Key(guest: guest.id, kind: kind)
        let screen = RemoteFrameBuffer(name: guest.name)
        let result: Result<Int, DriverError> = state.with { state in
            if let open = state.ports[key] { return .success(open.port) }
            if state.isClosed { return .failure(.unreachable("the fake driver has been shut down")) }
            do throws(DriverError) {
                let listener = try Listener(address: address) { connection in
                    if kind == .serial { SerialPort.serve(connection) } else { screen.serve(connection) }
                }
                state.ports[key] = listener
                return .success(listener.port)
            } catch {
                return .failure(error)
            }
        }
        return ConsoleAddress(host: address, port: try result.get())
    }

    /// Closes all consoles of a guest.
    func close(_ guest: GuestID) {
        let closing: [Listener] = state.with { state in
            guard !state.ports.isEmpty else { return [] }
            return ConsoleKind.allCases.compactMap { state.ports.removeValue(forKey: Key(guest: guest, kind: $0)) }
        }
        for listener in closing { listener.close() }
    }

    /// Closes all, for good.
    func close() {
        let closing: [Listener] = state.with { state in
            state.isClosed = true
            defer { state.ports = [:] }
            return Array(state.ports.values)
        }
        for listener in closing { listener.close() }
    }
}

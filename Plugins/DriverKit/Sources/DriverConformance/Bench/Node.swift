import ComputeModel
import DriverAPI

/// One node under test: a subject, the driver that runs over it now, and what an agent would keep of its guests.
final class Node: Sendable {
    private struct State {
        var driver: any ComputeDriver
        var isOpen = true
        var handles: [GuestID: GuestHandle] = [:]
    }
    let subject: any ConformanceSubject
    private let state: Locked<State>

    private init(_ subject: any ConformanceSubject, _ driver: any ComputeDriver) {
        self.subject = subject
        state = Locked(State(driver: driver))
    }

    /// Starts the driver and lets it recover, as an agent does.
    static func start(_ subject: any ConformanceSubject) async throws -> Node {
        let driver = try await subject.start()
        _ = try await driver.recover([:])
        return Node(subject, driver)
    }

    var driver: any ComputeDriver { state.with { $0.driver } }
    var isOpen: Bool { state.with { $0.isOpen } }
    var handles: [GuestID: GuestHandle] { state.with { $0.handles } }

    /// Keeps the handle of a guest; `nil` forgets the guest.
    func keep(_ handle: GuestHandle?, of guest: GuestID) { state.with { $0.handles[guest] = handle } }

    /// Ends the driver, as the end of its host process does.
    func shutDown() async {
        let driver = state.with { state in
            state.isOpen = false
            return state.driver
        }
        await driver.shutDown()
    }

    /// Starts a new driver over the same hypervisor and hands it the handles kept.
    ///
    /// - Returns: what the driver found.
    @discardableResult
    func start() async throws -> [GuestID: GuestHandle] {
        let driver = try await doing("starting the driver again") { [subject] in try await subject.start() }
        state.with { state in
            state.driver = driver
            state.isOpen = true
        }
        return try await recover()
    }

    /// Ends the driver and starts another.
    @discardableResult
    func restart() async throws -> [GuestID: GuestHandle] {
        if isOpen { await shutDown() }
        return try await start()
    }

    /// Lets the driver find the guests again, as after every reconnection.
    @discardableResult
    func recover() async throws -> [GuestID: GuestHandle] {
        let handles = handles
        let driver = driver
        let found = try await doing("recover") { try await driver.recover(handles) }
        for (guest, handle) in found where handles[guest] != nil { keep(handle, of: guest) }
        return found
    }
}

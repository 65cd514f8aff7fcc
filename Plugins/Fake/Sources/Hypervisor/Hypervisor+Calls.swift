import ComputeModel
import DriverAPI

extension Hypervisor {
    /// A call that reads: waits for the hypervisor, rehearses, looks.
    func look<Answer: Sendable>(
        _ call: Call, _ id: GuestID, _ body: (FakeGuest) throws(DriverError) -> Answer
    ) async throws(DriverError) -> Answer {
        try await power.pass()
        guard let guest = world[id] else { throw absent(id) }
        try await rehearse(call, "guest \(id)", guest.metadata)
        guard let guest = world[id] else { throw absent(id) }
        return try body(guest)
    }

    /// A call that concerns the node and no guest: waits for the hypervisor and rehearses.
    func enter(_ call: Call, _ subject: String = "the node") async throws(DriverError) {
        try await power.pass()
        try await rehearse(call, subject, [:])
    }

    /// Waits and fails as was asked for.
    func rehearse(_ call: Call, _ subject: String, _ metadata: [String: String]) async throws(DriverError) {
        if let delay = rehearsal.delay(call, metadata: metadata) {
            try await power.sleep(for: delay)
            try await power.pass()
        }
        if let failure = rehearsal.failure(call, of: subject, metadata: metadata) { throw failure }
    }

    /// One change of one guest that is here, alone with it.
    ///
    /// An equal number of the same call is a repeat and ends at once as the first did; a lower one is refused. `body`
    /// changes the guest, and is not run for a guest that is foreign or that has left for another node.
    ///
    /// - Parameter subject: what the call is about beside the guest; repeats are told apart by it.
    func change(
        _ call: Call, _ id: GuestID, _ number: DriverCall, about subject: String = "",
        _ body: (inout FakeGuest) throws(DriverError) -> Void
    ) async throws(DriverError) {
        _ = try await carryOut(call, id, number, about: subject) { (guest) throws(DriverError) in
            let guest = try self.own(guest, id)
            try await self.rehearse(call, "guest \(id)", guest.metadata)
            try self.commit(call, id, number, about: subject) { (guest, _) throws(DriverError) in try body(&guest) }
            return ""
        }
    }

    /// The last step of a change: in the world and in the journal at once. `body` changes the guest, and may look at
    /// the world as it is at that moment.
    func commit(
        _ call: Call, _ id: GuestID, _ number: DriverCall, about subject: String = "", answer: String = "",
        _ body: (inout FakeGuest, WorldState) throws(DriverError) -> Void
    ) throws(DriverError) {
        try checkCancellation()
        let (before, after): (FakeGuest, FakeGuest) = try world.change { state, change throws(DriverError) in
            guard let before = state.guests[id] else { throw absent(id) }
            var guest = before
            try body(&guest, state)
            guest.note(Self.key(call, subject, answer), number.operation)
            change.put = guest
            return (before, guest)
        }
        if before.power != after.power || before.boots != after.boots { told(id, after.power) }
    }

    /// Any call that changes something of one guest: alone with it, by its number.
    ///
    /// - Parameters:
    ///   - body: gets the guest, `nil` when it is not here; what it returns must have been noted with the call.
    /// - Returns: the answer of `body`, or the one noted by the call that this one repeats.
    func carryOut(
        _ call: Call, _ id: GuestID, _ number: DriverCall, about subject: String = "",
        _ body: (FakeGuest?) async throws(DriverError) -> String
    ) async throws(DriverError) -> String {
        try await turns.alone(with: id) { () async throws(DriverError) in
            try await self.power.pass()
            if let answer = try self.admit(call, id, number, subject) { return answer }
            do throws(DriverError) {
                return try await body(self.world[id])
            } catch {
                self.see(call, id, number)
                throw error
            }
        }
    }

    /// The answer that was given to the call which this one repeats; `nil` for a call to carry out.
    ///
    /// - Throws: ``DriverError/stale(_:)`` for a late message, also for a guest that was removed since.
    private func admit(
        _ call: Call, _ id: GuestID, _ number: DriverCall, _ subject: String
    ) throws(DriverError) -> String? {
        let (guest, seen) = world.read { ($0.guests[id], $0.operation(id)) }
        if number.operation < seen, mutation != .staleAccepted,
            guest != nil || mutation != .staleAcceptedAfterRemoval
        {
            throw .stale("guest \(id) has seen operation \(seen); \(number.operation) is refused")
        }
        guard let guest, guest.operation == number.operation, mutation != .repeatRunsAgain else { return nil }
        if call == .spawn, mutation == .spawnTwiceMakesTwo { return nil }
        let key = Self.key(call, subject, "")
        guard let noted = guest.done.first(where: { $0 == key || $0.hasPrefix(key + "=") }) else { return nil }
        return String(noted.dropFirst(key.count + 1))
    }

    /// Remembers the number of a call that failed: a lower one is late all the same.
    private func see(_ call: Call, _ id: GuestID, _ number: DriverCall) {
        do throws(DriverError) {
            try world.change { state, change throws(DriverError) in
                guard state.operation(id) < number.operation else { return }
                if var guest = state.guests[id] {
                    guard guest.isOurs else { return }
                    guest.see(number.operation)
                    change.put = guest
                } else if Self.makers.contains(call) {
                    (change.removed, change.operation) = (id, number.operation)
                }
            }
        } catch {
            host.log(.warning, "the number of a failed call was not kept", ["error": error.message])
        }
    }

    /// Calls that bring a guest to the node. One that fails has been seen although there is no guest.
    private static let makers: Set<Call> = [.spawn, .arrive, .adopt, .prepareArrival]

    /// The guest, if the driver may change it.
    func own(_ guest: FakeGuest?, _ id: GuestID) throws(DriverError) -> FakeGuest {
        guard let guest else { throw absent(id) }
        guard guest.isOurs || mutation == .foreignTouched else { throw foreign(id) }
        guard !guest.isSetAside else {
            throw .refused("guest \(id) has left for another node, and that is neither confirmed nor taken back")
        }
        return guest
    }

    /// Before a step that cannot be left half done.
    ///
    /// - Throws: ``DriverError/cancelled`` when nobody waits for the call any more.
    func checkCancellation() throws(DriverError) {
        if Task.isCancelled, mutation != .cancelIgnored { throw .cancelled }
    }

    func absent(_ id: GuestID) -> DriverError {
        mutation == .wrongErrorType ? .failed("there is no guest \(id)") : .noSuchGuest(id)
    }

    func foreign(_ id: GuestID) -> DriverError { .refused("guest \(id) is not ours: it is left alone") }

    private static func key(_ call: Call, _ subject: String, _ answer: String) -> String {
        call.rawValue + (subject.isEmpty ? "" : ":" + subject) + (answer.isEmpty ? "" : "=" + answer)
    }
}

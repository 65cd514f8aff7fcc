import ComputeModel
import DriverAPI

extension XenAPIDriver {
    /// What the pool has under a guest's identifier.
    enum Presence: Sendable {
        case absent
        /// A machine of somebody else's.
        case foreign(name: String)
        case ours(Machine)
    }

    /// Looks for a guest's machine: by what events told, by its name, then by the server's own identifiers.
    func presence(of guest: GuestID) async throws(DriverError) -> Presence {
        if let known = mirror.reference(of: guest), let machine = try await machine(known), machine.guest == guest,
            machine.name != guest.departedName, mirror.isHere(machine)
        {
            return .ours(machine)
        }
        let named = try await client.call("VM.get_by_name_label", [.text(guest.machineName)], "look for a guest").texts
        for reference in named {
            if let machine = try await machine(reference), machine.isGuest, machine.guest == guest,
                mirror.isHere(machine)
            {
                return .ours(machine)
            }
        }
        let other = try await client.call(
            "VM.get_by_uuid", [.text(guest.description)], accepting: ["UUID_INVALID"], "look for a guest")
        if let reference = other?.reference, let machine = try await machine(reference), machine.isGuest,
            machine.guest == nil
        {
            return .foreign(name: machine.name)
        }
        return .absent
    }

    /// A machine by its reference; `nil` when it is gone.
    func machine(_ reference: String) async throws(DriverError) -> Machine? {
        try await client.call(
            "VM.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe a guest"
        ).map { Machine(reference, $0) }
    }

    /// The machine of a guest of ours; one that has departed counts while no other has come.
    func ourMachine(_ guest: GuestID) async throws(DriverError) -> Machine {
        switch try await presence(of: guest) {
        case .ours(let machine): return machine
        case .foreign(let name): throw Self.foreign(guest, name)
        case .absent:
            if let machine = try await departedMachine(guest) { return machine }
            throw .noSuchGuest(guest)
        }
    }

    /// The machine that a guest left behind when it departed.
    func departedMachine(_ guest: GuestID) async throws(DriverError) -> Machine? {
        let named = try await client.call("VM.get_by_name_label", [.text(guest.departedName)], "look for a guest").texts
        for reference in named {
            if let machine = try await machine(reference), machine.isGuest,
                machine.departedGuest == guest || machine.guest == guest, mirror.isHere(machine)
            {
                return machine
            }
        }
        return nil
    }

    static func foreign(_ guest: GuestID, _ name: String) -> DriverError {
        .refused("The machine \(name) with the identifier \(guest) was not made by this driver; it is not touched.")
    }

    /// Refuses a late call; else notes its number, where the guest exists.
    ///
    /// - Returns: the machine, if there is one.
    @discardableResult
    func admit(_ call: DriverCall, _ guest: GuestID) async throws(DriverError) -> Machine? {
        if let removed = removals.operation(of: guest), removed > call.operation {
            throw Self.stale(guest, call, removed)
        }
        switch try await presence(of: guest) {
        case .foreign(let name): throw Self.foreign(guest, name)
        case .ours(let machine): return try await admit(call, guest, machine)
        case .absent:
            guard let machine = try await departedMachine(guest) else { return nil }
            return try await admit(call, guest, machine)
        }
    }

    private func admit(_ call: DriverCall, _ guest: GuestID, _ machine: Machine) async throws(DriverError) -> Machine {
        guard machine.operation <= call.operation else { throw Self.stale(guest, call, machine.operation) }
        if machine.operation < call.operation {
            try await mark(machine.reference, [Mark.operation: "\(call.operation)"])
        }
        return machine
    }

    static func stale(_ guest: GuestID, _ call: DriverCall, _ seen: Int64) -> DriverError {
        .stale("operation \(call.operation) on guest \(guest) comes after operation \(seen)")
    }

    /// Runs `body` alone with the guest and its machine, after the call's number was checked and noted.
    func change<Value: Sendable>(
        _ guest: GuestID, _ call: DriverCall, _ body: (Machine) async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        try await guestGate.pass(guest) { () async throws(DriverError) in
            guard let machine = try await self.admit(call, guest) else { throw .noSuchGuest(guest) }
            return try await body(machine)
        }
    }

    /// Sets marks of an object; an empty text removes one.
    func mark(_ reference: String, _ marks: [String: String], of kind: String = "VM") async throws(DriverError) {
        for (key, value) in marks.sorted(by: { $0.key < $1.key }) {
            _ = try await client.call(
                "\(kind).remove_from_other_config", [.text(reference), .text(key)], "mark an object")
            guard !value.isEmpty else { continue }
            try await client.call(
                "\(kind).add_to_other_config", [.text(reference), .text(key), .text(value)],
                accepting: ["MAP_DUPLICATE_KEY"], "mark an object")
        }
    }

    // MARK: - Core

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        let held = Dictionary(
            try await machines().compactMap { machine in machine.guest.map { ($0, machine) } },
            uniquingKeysWith: { first, _ in first })
        var found: [GuestID: GuestHandle] = [:]
        for guest in handles.keys {
            guard let machine = held[guest], mirror.isHere(machine) else { continue }
            found[guest] = Self.handle(machine)
        }
        return found
    }

    /// The handle of a machine: its identifier at the server.
    static func handle(_ machine: Machine) -> GuestHandle { GuestHandle(version: 1, data: Array(machine.uuid.utf8)) }

    /// All machines of the pool that are guests.
    private func machines() async throws(DriverError) -> [Machine] {
        let filter =
            "field \"is_a_template\"=\"false\" and field \"is_control_domain\"=\"false\""
            + " and field \"is_a_snapshot\"=\"false\""
        let records = try await client.call("VM.get_all_records_where", [.text(filter)], "list the guests").map
        return records.map { Machine($0.key, $0.value) }.filter(\.isGuest)
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        try await machines().compactMap { machine in
            if let guest = machine.guest {
                guard mirror.isHere(machine) else { return nil }
                return GuestSummary(id: guest, name: machine.name, power: machine.power, isOurs: true)
            }
            // A foreign machine that is off belongs to the host that it wishes for, or to any.
            let home = machine.host ?? machine.record["affinity"].reference
            guard home == nil || home == place.reference, machine.departedGuest == nil,
                let id = GuestID(machine.uuid)
            else { return nil }
            return GuestSummary(id: id, name: machine.name, power: machine.power, isOurs: false)
        }
    }

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        switch try await presence(of: guest) {
        case .ours(let machine): return machine.power
        case .foreign(let name): throw Self.foreign(guest, name)
        case .absent:
            guard let machine = try await departedMachine(guest) else { throw .noSuchGuest(guest) }
            return machine.power
        }
    }
}

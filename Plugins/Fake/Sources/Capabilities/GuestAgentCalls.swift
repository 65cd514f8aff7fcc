import ComputeModel
import DriverAPI

extension FakeGuest {
    /// Whether its agent does as it is told; throws what it says or does not say.
    func askAgent(ignoring mutation: Mutation?) throws(DriverError) {
        guard power == .running else { throw .timedOut("guest \(id) does not run: its agent does not answer") }
        switch agent {
        case .answers: return
        case .silent: throw .timedOut("the agent of guest \(id) does not answer")
        case .refuses: throw .refused("the agent of guest \(id) says no")
        case .none:
            if mutation == .passwordWithoutAgent { return }
            throw .notSupported("guest \(id) has no agent")
        }
    }
}

/// Sets passwords in guests.
struct Passwords: SettingPasswords {
    let hypervisor: Hypervisor

    func setPassword(_ password: String, user: String?, of guest: GuestID, _ call: DriverCall)
        async throws(DriverError)
    {
        let mutation = hypervisor.mutation
        let subject = user ?? "root"
        try await hypervisor.change(.setPassword, guest, call, about: subject) { (guest) throws(DriverError) in
            try guest.askAgent(ignoring: mutation)
            guard !password.isEmpty else {
                throw .refused("the agent of guest \(guest.id) says no: the password is empty")
            }
            guest.console.add("password of \(subject) changed")
        }
    }
}

/// Sets guests' clocks.
struct Clocks: SettingClocks {
    let hypervisor: Hypervisor

    func setClock(of guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await hypervisor.change(.setClock, guest, call) { (guest) throws(DriverError) in
            try guest.askAgent(ignoring: nil)
            guest.console.add("clock set")
        }
    }
}

/// Silences guests' file systems. They thaw by themselves when their time is over: a moment stands in the guest.
struct Quiescing: QuiescingGuests {
    let hypervisor: Hypervisor

    func quiesce(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        try await hypervisor.change(.quiesce, guest, call) { (guest) throws(DriverError) in
            try guest.askAgent(ignoring: nil)
            let now = hypervisor.now()
            if let until = guest.frozenUntil, until > now { return }
            let isEndless = hypervisor.mutation == .quiesceNeverThaws
            guest.frozenUntil = now + (isEndless ? .seconds(86_400 * 365) : hypervisor.options.quiesceLimit)
            guest.console.add("file systems frozen")
        }
    }

    func unquiesce(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await hypervisor.change(.unquiesce, guest, call) { (guest) throws(DriverError) in
            try guest.askAgent(ignoring: nil)
            guard guest.frozenUntil != nil else { return }
            guest.frozenUntil = nil
            guest.console.add("file systems thawed")
        }
    }
}

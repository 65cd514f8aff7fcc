import ComputeModel
import DriverAPI
import DriverSupport

extension XenDriver {
    /// Pause between two requests to go down: a guest that is still booting loses them.
    private static let askInterval: Duration = .seconds(5)
    /// Pause between two looks at a guest that is going down.
    private static let lookInterval: Duration = .milliseconds(250)

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        let directory = directory(of: guest)
        let record = await threads.run { directory.record() }
        let domain = try await ask { xen throws(XenFailure) in try xen.domain(guest) }
        if let record, record.guest != nil {
            return Found(guest: record.guest, record: record, domain: domain).power
        }
        guard let domain, record == nil, !domain.isDying else { throw .noSuchGuest(guest) }
        return domain.power
    }

    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await changing(guest, call) { held async throws(DriverError) in
            switch held.power {
            case .running: return
            case .paused:
                guard let domain = held.domain else { return }
                try await self.ask { xen throws(XenFailure) in try xen.unpause(domain) }
                self.note(.running, of: guest)
            case .suspended: try await self.bringBack(held)
            case .shutdown, .crashed, .noState: try await self.startAnew(held)
            }
        }
    }

    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        try await changing(guest, call) { held async throws(DriverError) in
            if held.power == .running, try await self.goesDown(guest, within: grace) { return }
            try await self.pullThePlug(guest)
        }
    }

    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)
    {
        try await changing(guest, call) { held async throws(DriverError) in
            if kind == .soft, held.power == .running, try await !self.goesDown(guest, within: grace) {
                self.host.log(.info, "soft reboot becomes hard", ["guest.id": guest.description, "waited": "\(grace)"])
            }
            try await self.startAnew(held)
        }
    }

    /// Stops the guest at once and forgets saved memory.
    func pullThePlug(_ guest: GuestID) async throws(DriverError) {
        try await stop(guest)
        let directory = directory(of: guest)
        try await files { () throws(FileFailure) in
            guard directory.record()?.isSuspended == true else { return }
            try directory.update { $0.isSuspended = false }
            try removeTree(directory.memory)
        }
    }

    /// Starts the guest from what is kept, whatever there was.
    func startAnew(_ held: Held) async throws(DriverError) {
        try await pullThePlug(held.guest.id)
        try await expectRoom(for: held.guest)
        if Task.isCancelled { throw .cancelled }
        let guest = held.guest
        try await ask { xen throws(XenFailure) in try xen.create(guest) }
        note(.running, of: guest.id)
    }

    /// Asks the guest again and again to go down, until it has.
    ///
    /// - Returns: whether it went down within the grace.
    private func goesDown(_ guest: GuestID, within grace: Duration) async throws(DriverError) -> Bool {
        guard grace > .zero else { return false }
        let clock = ContinuousClock()
        let deadline = clock.now + grace
        var nextRequest = clock.now
        while clock.now < deadline {
            let domain = try await ask { xen throws(XenFailure) in try xen.domain(guest) }
            guard let domain, !domain.isDying, domain.shutdown == nil else {
                try await stop(guest)
                return true
            }
            if clock.now >= nextRequest {
                // A guest that cannot be asked is not down, and has its grace.
                try? await ask { xen throws(XenFailure) in try xen.askDown(domain) }
                nextRequest = clock.now + Self.askInterval
            }
            do { try await Task.sleep(for: Self.lookInterval) } catch { throw .cancelled }
        }
        return false
    }

    /// Removes the domain of a guest that has turned itself off, and starts one anew that wants to be restarted.
    func lookAfter(_ guest: GuestID) async {
        do throws(DriverError) {
            try await alone(with: guest) { () async throws(DriverError) in
                let directory = self.directory(of: guest)
                guard await self.threads.run({ directory.record()?.guest != nil }) else { return }
                let held = try await self.held(guest)
                switch held.domain?.shutdown {
                case .powerOff: try await self.stop(guest)
                case .reboot: try await self.startAnew(held)
                case .suspend, .crash, nil: return
                }
            }
        } catch {
            host.log(
                .warning, "a guest that went down by itself cannot be looked after",
                ["guest.id": guest.description, "error": error.message])
        }
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        let domains = try await ask { xen throws(XenFailure) in
            try xen.domains().map { (domain: $0, name: xen.name(of: $0.number)) }
        }
        let instances = options.instancesPath
        let records = await threads.run {
            namesInDirectory(instances).reduce(into: [GuestID: GuestDirectory.Record]()) { found, name in
                if let guest = GuestID(name) { found[guest] = GuestDirectory(guest, in: instances).record() }
            }
        }
        var found: [GuestID: GuestSummary] = [:]
        for (guest, record) in records {
            guard let made = record.guest else { continue }
            let all = domains.map(\.domain).filter { $0.uuid == guest.uuid }
            let power = Found(guest: made, record: record, domain: all.first { !$0.isDying } ?? all.first).power
            found[guest] = GuestSummary(id: guest, name: made.name, power: power, isOurs: true)
        }
        for (domain, name) in domains where !domain.isDying {
            let guest = GuestID(domain.uuid)
            // One that is being made is neither ours yet nor foreign.
            guard records[guest] == nil else { continue }
            found[guest] = GuestSummary(
                id: guest, name: name ?? "domain \(domain.number)", power: domain.power, isOurs: false)
        }
        return found.values.sorted { $0.id < $1.id }
    }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        let ours = Set(try await guests().filter(\.isOurs).map(\.id))
        return handles.keys.filter(ours.contains).reduce(into: [:]) { $0[$1] = Self.handle($1) }
    }
}

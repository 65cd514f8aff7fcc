import ComputeModel
import DriverAPI
import DriverSupport

extension LibvirtDriver {
    /// Pause between two presses of the power button: a guest that is still booting loses them.
    private static let pressInterval: Duration = .seconds(3)
    /// Pause between two looks at a guest that is going down.
    private static let lookInterval: Duration = .milliseconds(200)

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        try await session.read(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
            return try domain.powerState()
        }
    }

    /// How long a process may take to end after its guest has gone down; then it is stopped.
    private static let leaveTime: Duration = .seconds(30)

    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await alone(with: guest) { () async throws(DriverError) in
            try await self.admit(call, guest)
            try await self.letGo(guest)
            switch try await self.presence(of: guest) {
            case .foreign(let name): throw Self.foreign(guest, name)
            case .ours(.running): return
            case .ours: break
            case .absent: try await self.defineAgain(guest)
            }
            try await self.startDomain(guest)
        }
    }

    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        try await alone(with: guest) { () async throws(DriverError) in
            try await self.admit(call, guest)
            guard try await self.isUp(guest) else { return }
            if try await self.goesDownByItself(guest, within: grace) { return }
            try await self.pullThePlug(guest)
        }
    }

    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)
    {
        try await alone(with: guest) { () async throws(DriverError) in
            try await self.admit(call, guest)
            let presence = try await self.presence(of: guest)
            if case .foreign(let name) = presence { throw Self.foreign(guest, name) }
            if case .soft = kind, case .ours(.running) = presence {
                if try await self.goesDownByItself(guest, within: grace) { return try await self.startDomain(guest) }
                self.host.log(
                    .info, "soft reboot becomes hard", ["guest.id": guest.description, "waited": "\(grace)"])
            }
            if case .ours = presence { try await self.pullThePlug(guest) }
            // From the definition kept, so that whatever was changed at run time ends here.
            try await self.defineAgain(guest)
            try await self.startDomain(guest)
        }
    }

    /// Waits until a guest that is going down is off, so that it can be started. Others are left as they are.
    private func letGo(_ guest: GuestID) async throws(DriverError) {
        guard case .ours(.running) = try await presence(of: guest) else { return }
        let deadline = ContinuousClock.now + Self.leaveTime
        while ContinuousClock.now < deadline {
            let isGoing = try await session.read { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.isGoingDown() ?? false
            }
            guard isGoing else { return }
            do { try await Task.sleep(for: Self.lookInterval) } catch { throw .cancelled }
        }
        try await pullThePlug(guest)
    }

    private func isUp(_ guest: GuestID) async throws(DriverError) -> Bool {
        switch try await ourPowerState(guest) {
        case .running, .paused, .suspended: true
        case .shutdown, .crashed, .noState: false
        }
    }

    /// Stops the guest at once and forgets its memory.
    func pullThePlug(_ guest: GuestID) async throws(DriverError) {
        try await session.change(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { return }
            try domain.stop()
            // Memory on disk would bring back what the plug was pulled on.
            try domain.discardSavedMemory()
        }
    }

    /// Presses the power button again and again until the guest is off.
    ///
    /// - Returns: whether it went off within the grace. A guest that does not run cannot hear, and is not asked.
    func goesDownByItself(_ guest: GuestID, within grace: Duration) async throws(DriverError) -> Bool {
        guard grace > .zero, try await ourPowerState(guest) == .running else { return false }
        let clock = ContinuousClock()
        let deadline = clock.now + grace
        var nextPress = clock.now
        while clock.now < deadline {
            if clock.now >= nextPress {
                try await session.change(guest) { connection throws(LibvirtFailure) in
                    try connection.domain(guest)?.pressPowerButton()
                }
                nextPress = clock.now + Self.pressInterval
            }
            do { try await Task.sleep(for: Self.lookInterval) } catch { throw .cancelled }
            if try await !isUp(guest) { return true }
        }
        return false
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        try await session.read { connection throws(LibvirtFailure) in try GuestListing.all(connection) }
    }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        var found: [GuestID: GuestHandle] = [:]
        for (guest, handle) in handles {
            // A handle of an older or newer form still names its guest by its key.
            if let identity = GuestIdentity(handle), identity.guest != guest {
                host.log(.warning, "handle of another guest", ["guest.id": guest.description])
            }
            switch try await presence(of: guest) {
            case .ours: break
            case .foreign(let name):
                host.log(.warning, "guest is not ours any more", ["guest.id": guest.description, "domain": name])
                continue
            case .absent:
                // libvirt lost the definition, but the disks are here: the guest is only off.
                let directory = directory(of: guest)
                guard await threads.run({ directory.record()?.complete == true }) else { continue }
                do throws(DriverError) {
                    try await defineAgain(guest)
                } catch .noSuchGuest {
                    continue
                }
                host.log(.warning, "guest defined again from what was kept", ["guest.id": guest.description])
            }
            found[guest] = GuestIdentity(guest).handle
        }
        return found
    }
}

/// Reads guests' serial logs.
struct ConsoleLogs: ConsoleLogReading {
    let instancesPath: String
    let threads: BlockingThreads

    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8] {
        let directory = GuestDirectory(guest, in: instancesPath)
        let bytes: [UInt8]?
        do throws(FileFailure) {
            bytes = try await threads.run { () throws(FileFailure) in
                isDirectory(directory.path) ? try directory.consoleTail(bytesMax: max(0, bytesMax)) : nil
            }
        } catch {
            throw .failed("the console log of guest \(guest) cannot be read: \(error.message)")
        }
        guard let bytes else { throw .noSuchGuest(guest) }
        return bytes
    }
}

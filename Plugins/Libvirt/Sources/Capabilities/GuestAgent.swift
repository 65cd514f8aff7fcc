import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

extension LibvirtDriver {
    /// How long the agent may take for one answer.
    static let agentSeconds: Int32 = 30

    /// Runs `body` for a running guest that has an agent's channel.
    ///
    /// - Throws: ``DriverError/notSupported(_:)`` for a guest without one, ``DriverError/timedOut(_:)`` when the agent
    ///   does not answer, ``DriverError/refused(_:)`` with the agent's words when it says no.
    func throughAgent(
        of guest: GuestID, _ held: Held,
        _ body: @escaping @Sendable (borrowing LibvirtDomain) throws(LibvirtFailure) -> Void
    ) async throws(DriverError) {
        guard held.isActive else { throw .refused("guest \(guest) does not run, so its agent cannot be asked") }
        guard try await document(of: guest, .live).hasAgentChannel else {
            throw .notSupported(
                "asking the agent of guest \(guest): it has no channel; the image property hw_qemu_guest_agent = yes "
                    + "gives it one")
        }
        do throws(DriverError) {
            try await session.change(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
                try domain.limitAgent(seconds: Self.agentSeconds)
                try body(domain)
            }
        } catch {
            throw Self.agentError(error)
        }
    }

    private static func agentError(_ error: DriverError) -> DriverError {
        let text = error.message
        if text.contains("unable to execute QEMU agent command") { return .refused(text) }
        let isSilent = ["agent is not connected", "agent not available for now", "agent is not available"]
        return isSilent.contains { text.contains($0) } ? .timedOut(text) : error
    }
}

/// Sets passwords through guests' agents.
struct Passwords: SettingPasswords {
    let driver: LibvirtDriver

    func setPassword(
        _ password: String, user: String?, of guest: GuestID, _ call: DriverCall
    ) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            let directory = driver.directory(of: guest)
            let usual = await driver.threads.run { directory.record()?.adminUser } ?? "root"
            try await driver.throughAgent(of: guest, held) { domain throws(LibvirtFailure) in
                try domain.setPassword(password, user: user ?? usual)
            }
        }
    }
}

/// Sets guests' clocks by the host's.
struct Clocks: SettingClocks {
    let driver: LibvirtDriver

    func setClock(of guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            try await driver.throughAgent(of: guest, held) { domain throws(LibvirtFailure) in
                var now = timespec()
                clock_gettime(CLOCK_REALTIME, &now)
                try domain.setClock(seconds: Int64(now.tv_sec), nanoseconds: UInt32(clamping: now.tv_nsec))
            }
        }
    }
}

/// Silences guests' file systems.
struct Quiescing: QuiescingGuests {
    let driver: LibvirtDriver

    func quiesce(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            try await driver.freeze(guest, held)
            driver.thaw(guest, after: LibvirtDriver.frozenMax)
        }
    }

    func unquiesce(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            try await driver.throughAgent(of: guest, held) { domain throws(LibvirtFailure) in try domain.thaw() }
            try await driver.noteFrozen(guest, nil)
        }
    }
}

extension LibvirtDriver {
    /// Longest time for which file systems stay frozen when nobody thaws them.
    static let frozenMax: Duration = .seconds(60)

    /// Freezes; succeeds when they are frozen. Notes it first, so that after a death of this process they are thawed.
    func freeze(_ guest: GuestID, _ held: Held) async throws(DriverError) {
        let directory = directory(of: guest)
        let isFrozen = await threads.run { directory.record()?.isFrozen == true }
        if isFrozen { return }
        try await noteFrozen(guest, true)
        do throws(DriverError) {
            try await throughAgent(of: guest, held) { domain throws(LibvirtFailure) in
                do throws(LibvirtFailure) {
                    try domain.freeze()
                } catch {
                    // A freeze that failed half-way, or whose answer came too late, must not hold the guest.
                    try? domain.thaw()
                    throw error
                }
            }
        } catch {
            try? await noteFrozen(guest, nil)
            throw error
        }
    }

    /// Thaws once some time has passed, unless somebody has done so before.
    func thaw(_ guest: GuestID, after delay: Duration) {
        let token = lastThaw.with { last in
            last[guest, default: 0] += 1
            return last[guest] ?? 0
        }
        Task { [weak self] in
            try? await Task.sleep(for: delay)
            guard let driver = self, driver.lastThaw.with({ $0[guest] }) == token else { return }
            let directory = driver.directory(of: guest)
            guard await driver.threads.run({ directory.record()?.isFrozen == true }) else { return }
            try? await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.thaw()
            }
            try? await driver.noteFrozen(guest, nil)
            driver.host.log(.warning, "file systems thawed that nobody thawed", ["guest.id": guest.description])
        }
    }

    /// Notes whether the guest's file systems are frozen.
    func noteFrozen(_ guest: GuestID, _ isFrozen: Bool?) async throws(DriverError) {
        let directory = directory(of: guest)
        try await files { () throws(FileFailure) in try directory.update { $0.isFrozen = isFrozen } }
    }
}

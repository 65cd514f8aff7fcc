import ComputeModel
import DriverAPI
import DriverSupport

extension LiveMigrating {
    func migrate(
        _ guest: GuestID, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> LiveMoveEnd {
        let facts = try LivePackage(package)
        guard let source = facts.source, facts.arrival != nil else {
            throw .refused("the destination has not prepared for guest \(guest)")
        }
        return try await driver.alone(with: guest) { () async throws(DriverError) -> LiveMoveEnd in
            try await driver.admit(call, guest)
            if case .absent = try await driver.presence(of: guest) { throw .noSuchGuest(guest) }
            var standing = try await standing(guest)
            if standing.isMigrating {
                // Begun by a driver that has died: libvirt went on alone.
                standing = try await follow(guest)
            } else if standing.isActive {
                let document = facts.document(from: try await driver.document(of: guest, .migratable))
                let hasSafeCache = ["none", "directsync"].contains(driver.cacheMode)
                var order = MigrationOrder(
                    daemon: facts.offer.daemon, memory: facts.offer.memory, document: document.root.serialized)
                if !source.isShared { order.disks = source.disks.filter { !$0.isReadOnly }.map(\.device) }
                order.disksAreShared = source.sharesCache || (source.isShared && hasSafeCache)
                order.mayPostCopy = move.mayPostCopy
                order.mayThrottle = move.mayThrottle
                order.encrypts = driver.options.migrationEncrypts
                order.bandwidthMiB = move.bandwidthMiB
                standing = try await run(order, guest, move)
            }
            return try await end(guest, standing, package)
        }
    }

    /// How the guest is on this side.
    struct Standing: Sendable {
        var isActive = false
        var isMigrating = false
        var hasMoved = false
        var isStranded = false
    }

    private func standing(_ guest: GuestID) async throws(DriverError) -> Standing {
        try await driver.session.change(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
            let isActive = domain.isActive
            return Standing(
                isActive: isActive, isMigrating: isActive ? try domain.job()?.isMigration == true : false,
                hasMoved: domain.hasMoved, isStranded: domain.isStranded)
        }
    }

    private func end(
        _ guest: GuestID, _ standing: Standing, _ package: MovePackage
    ) async throws(DriverError) -> LiveMoveEnd {
        if standing.hasMoved { return .moved }
        if standing.isStranded {
            throw .failed(
                "guest \(guest) lies on both nodes after a broken post-copy migration; its memory is lost, "
                    + "so start it anew with a hard reboot")
        }
        guard standing.isActive else {
            throw .failed("guest \(guest) went off by itself while it was to be migrated")
        }
        for file in package.files { await driver.host.withdrawFile(file) }
        return .stayed
    }

    /// Begins a migration on a connection and a thread of its own, which it needs for as long as it takes, and tells
    /// how far it is.
    private func run(
        _ order: MigrationOrder, _ guest: GuestID, _ move: LiveMove
    ) async throws(DriverError) -> Standing {
        let thread = BlockingThreads(count: 1)
        let (uri, finished) = (driver.options.connectionURI, Locked(false))
        let (driver, log) = (driver, driver.host)
        let watch = Task { await Self.watch(guest, move, driver) { finished.with { $0 } } }
        let outcome: Result<Void, LibvirtFailure> = await withTaskCancellationHandler {
            await thread.run {
                Result { () throws(LibvirtFailure) in
                    let connection = try LibvirtConnection(uri: uri)
                    guard let domain = try connection.domain(guest) else { throw .noDomain("migrate the guest") }
                    do throws(LibvirtFailure) {
                        try domain.migrate(order)
                    } catch {
                        guard order.mayPostCopy, Self.lacksPostCopy(error) else { throw error }
                        log.log(
                            .warning, "post-copy is not possible here",
                            ["guest.id": guest.description, "reason": error.text])
                        var plain = order
                        plain.mayPostCopy = false
                        try domain.migrate(plain)
                    }
                }
            }
        } onCancel: {
            Task {
                while !finished.with({ $0 }) {
                    try? await driver.session.change(guest) { connection throws(LibvirtFailure) in
                        try connection.domain(guest)?.abortJob()
                    }
                    try? await Task.sleep(for: .milliseconds(200))
                }
            }
        }
        finished.with { $0 = true }
        watch.cancel()
        await watch.value
        if case .failure(let failure) = outcome {
            driver.host.log(
                .warning, "live migration failed",
                ["guest.id": guest.description, "destination": move.destination, "reason": failure.message])
            // The daemon may have gone on without us.
            if failure.isLostConnection {
                let now = try await standing(guest)
                return now.isMigrating ? try await follow(guest) : now
            }
        }
        return try await standing(guest)
    }

    private static func lacksPostCopy(_ failure: LibvirtFailure) -> Bool {
        let text = failure.text.lowercased()
        return text.contains("postcopy") || text.contains("post-copy") || text.contains("userfault")
    }

    /// Reports progress, and sets the downtime as soon as libvirt takes it.
    private static func watch(
        _ guest: GuestID, _ move: LiveMove, _ driver: LibvirtDriver, _ isFinished: @Sendable () -> Bool
    ) async {
        var isLimited = false
        while !isFinished() {
            let known = isLimited
            let looked = try? await driver.session.read(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest), let job = try domain.job(), job.isMigration else {
                    return (DomainJob?.none, known)
                }
                if !known { try domain.limitDowntime(milliseconds: move.downtimeMilliseconds) }
                return (job, true)
            }
            if let looked {
                isLimited = looked.1
                if let job = looked.0 {
                    driver.host.report(DriverProgress(guest: guest, phase: "migrating", percent: job.percent))
                }
            }
            do { try await Task.sleep(for: .milliseconds(300)) } catch { return }
        }
    }

    /// Waits for the end of a migration that goes on without us.
    private func follow(_ guest: GuestID) async throws(DriverError) -> Standing {
        while true {
            let now = try await standing(guest)
            guard now.isMigrating else { return now }
            try await driver.pause(.milliseconds(300))
        }
    }

    func forceComplete(_ guest: GuestID) async throws(DriverError) {
        try await requireMigration(guest)
        do throws(DriverError) {
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.beginPostCopy()
            }
        } catch .unreachable(let text) {
            throw .unreachable(text)
        } catch {
            // Not begun with post-copy in mind: standing still ends it too. libvirt lets the guest go on at the
            // destination.
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.pause()
            }
        }
    }

    func abort(_ guest: GuestID) async throws(DriverError) {
        try await requireMigration(guest)
        do throws(DriverError) {
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.abortJob()
            }
        } catch .unreachable(let text) {
            throw .unreachable(text)
        } catch {
            throw .refused("the migration of guest \(guest) can no longer be held: \(error.message)")
        }
    }

    private func requireMigration(_ guest: GuestID) async throws(DriverError) {
        _ = try await driver.ourPowerState(guest)
        guard try await standing(guest).isMigrating else { throw .refused("guest \(guest) does not migrate") }
    }
}

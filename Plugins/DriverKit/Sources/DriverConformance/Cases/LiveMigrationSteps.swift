import ComputeModel
import DriverAPI

/// The steps of a live migration, as the conductor takes them.
extension Bench {
    func liveMigrating(on node: Node? = nil) throws -> any LiveMigratingGuests {
        try unwrap((node ?? self.node).driver.capabilities.liveMigration, "the node does not migrate guests live")
    }

    /// A move from the first node to the second, or as given.
    func liveMove(from source: Node? = nil, to destination: Node? = nil) throws -> LiveMove {
        LiveMove(
            source: (source ?? node).subject.host.nodeName,
            destination: (try destination ?? second()).subject.host.nodeName, mayPostCopy: true, mayThrottle: true)
    }

    /// A guest whose move both sides agree to; the node is the destination.
    func checked(_ metadata: [String: String]) async throws -> Arranged {
        try await checked(try await spawn(metadata: metadata), from: node, to: second())
    }

    func checked(_ guest: TestGuest, from source: Node, to destination: Node) async throws -> Arranged {
        track(guest.id, on: destination)
        var arranged = Arranged(node: destination, guest: guest)
        let move = try liveMove(from: source, to: destination)
        arranged.liveMove = move
        let (there, here) = (try liveMigrating(on: destination), try liveMigrating(on: source))
        let offer = try await doing("offer") { try await there.offer(for: guest.spec, move) }
        arranged.package = try await doing("check") { try await here.check(guest.id, move, offer) }
        return arranged
    }

    /// Lets the destination prepare.
    func prepare(_ arranged: Arranged, _ call: DriverCall) async throws -> MovePackage {
        let live = try unwrap(arranged.capabilities.liveMigration, "the node does not migrate guests live")
        let move = try unwrap(arranged.liveMove, "there is no move")
        let package = try unwrap(arranged.package, "there is no package")
        return try await live.prepareArrival(of: arranged.guest.spec, move, package, call)
    }

    /// A guest for which the destination is prepared; the node is the destination.
    func prepared(_ metadata: [String: String]) async throws -> Arranged {
        try await prepared(try await checked(metadata))
    }

    private func prepared(_ checked: Arranged) async throws -> Arranged {
        var arranged = checked
        let call = call()
        arranged.package = try await doing("prepareArrival") { try await prepare(checked, call) }
        return arranged
    }

    /// Migrates a guest from the node of the arrangement.
    func migrate(_ arranged: Arranged, _ call: DriverCall) async throws -> LiveMoveEnd {
        let live = try unwrap(arranged.capabilities.liveMigration, "the node does not migrate guests live")
        let move = try unwrap(arranged.liveMove, "there is no move")
        let package = try unwrap(arranged.package, "there is no package")
        return try await live.migrate(arranged.id, move, package, call)
    }

    /// A guest that has moved, with nothing finished; the node is the source.
    func migrated(_ metadata: [String: String]) async throws -> Arranged {
        var arranged = try await prepared(metadata)
        arranged.node = node
        try await expectMoved(arranged)
        return arranged
    }

    private func expectMoved(_ arranged: Arranged) async throws {
        let call = call()
        let end = try await doing("migrate") { try await migrate(arranged, call) }
        try check(end == .moved, "the migration ended with the guest where it was")
    }

    func finishArrival(_ arranged: Arranged, _ call: DriverCall) async throws {
        let live = try unwrap(arranged.capabilities.liveMigration, "the node does not migrate guests live")
        let package = try unwrap(arranged.package, "there is no package")
        let handle = try await live.finishArrival(of: arranged.guest.spec, package, call)
        arranged.node.keep(handle, of: arranged.id)
    }

    /// A whole migration.
    func moveLive(_ guest: TestGuest, from source: Node, to destination: Node) async throws {
        var arranged = try await prepared(try await checked(guest, from: source, to: destination))
        arranged.node = source
        try await expectMoved(arranged)
        arranged.node = destination
        let (finished, call, lastCall) = (arranged, self.call(), self.call())
        try await doing("finishArrival") { try await finishArrival(finished, call) }
        let (live, package) = (try liveMigrating(on: source), try unwrap(arranged.package, "there is no package"))
        try await doing("finishDeparture") { try await live.finishDeparture(of: guest.id, package, lastCall) }
        source.keep(nil, of: guest.id)
        try await expectAbsent(guest.id, "after it moved", on: source)
        try await expectPower([.running], of: guest.id, "after it moved", on: destination)
    }

    /// A guest for which the destination is prepared and whose migration takes a while; the node is the source.
    func slowMigration(by delay: Duration = .seconds(20)) async throws -> Arranged {
        guard let metadata = subject.rehearsal?.slowing("migrate", by: limits.scaled(delay)) else {
            throw CaseSkip.notShown("migrations cannot be slowed down")
        }
        var arranged = try await prepared(metadata)
        arranged.node = node
        return arranged
    }

    /// Tells the destination that the guest does not come.
    func abandonLive(_ arranged: Arranged) async throws {
        let (live, call) = (try liveMigrating(on: second()), call())
        let package = try unwrap(arranged.package, "there is no package")
        try await doing("abandonArrival") { try await live.abandonArrival(of: arranged.id, package, call) }
    }

    /// Repeats a wish until the migration has begun that it is about. A driver that cannot fulfil it at all is told
    /// apart: there is no other place where it could say so.
    func untilAccepted(_ what: String, _ body: @Sendable () async throws -> Void) async throws {
        let end = ContinuousClock.now + limits.scaled(.seconds(10))
        while true {
            do {
                return try await body()
            } catch {
                if ErrorKind.of(error) == .notSupported { throw CaseSkip.notDeclared("\(what) is not supported") }
                let mayComeYet = ErrorKind.of(error) == .refused && ContinuousClock.now < end
                try check(mayComeYet, "\(what) of a migration that goes on threw \(told(error))")
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    /// Fails the case unless the wish is refused; skips it when the driver cannot fulfil it at all.
    func refusedOrMissing(_ what: String, _ body: @Sendable () async throws -> Void) async throws {
        let error = try await expectError([.refused, .notSupported], from: "\(what) without a migration", body)
        if ErrorKind(error) == .notSupported { throw CaseSkip.notDeclared("\(what) is not supported") }
    }
}

import ComputeModel
import DriverAPI
import FoundationEssentials

/// What source and destination tell each other about a guest that moves while it runs.
struct LivePackage: Codable, Hashable, Sendable {
    static let version = 1
    /// Of the destination: its pool, host and repository for disks.
    var pool: String
    var host: String
    var repository: String
    /// Whether the guest's disks are moved as well; decided by the source.
    var movesDisks = false
    /// What permits the source to send: the server's own answer to `host.migrate_receive`. Never logged.
    var permit: [String: String] = [:]
    /// The destination's networks by the hardware addresses of the guest's interfaces.
    var networks: [String: String] = [:]
    /// Volumes that the destination has connected.
    var volumes: [VolumeID] = []

    init(pool: String, host: String, repository: String) {
        (self.pool, self.host, self.repository) = (pool, host, repository)
    }

    /// - Throws: ``DriverError/refused(_:)`` for the package of another driver, or of another version of this one.
    init(_ package: MovePackage) throws(DriverError) {
        guard package.version == Self.version,
            let read = try? JSONDecoder().decode(Self.self, from: Data(package.data))
        else { throw .refused("The other node's driver speaks another language; the server cannot move there.") }
        self = read
    }

    func package() throws(DriverError) -> MovePackage {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(self) else { throw .failed("a package for a move cannot be written") }
        return MovePackage(version: Self.version, data: Array(data))
    }
}

/// Moves guests that run: within a pool whose hosts share the disks by `VM.pool_migrate`, else by `VM.migrate_send`,
/// which takes the disks along. There is no post-copy and no limit of bandwidth in XenAPI; those wishes are not met.
struct LiveMoves: LiveMigratingGuests {
    let driver: XenAPIDriver

    private var client: XenClient { driver.client }

    func offer(for spec: GuestSpec, _ move: LiveMove) async throws(DriverError) -> MovePackage {
        let repository = try await Repositories(client: client, place: driver.place).guests()
        try await requireEnabledHost()
        let networks = Networks(client: client, option: driver.options.integrationNetwork)
        for interface in spec.interfaces { _ = try await networks.find(for: interface) }
        return try LivePackage(
            pool: try await driver.poolIdentifier(), host: driver.place.reference, repository: repository.reference
        ).package()
    }

    func check(_ guest: GuestID, _ move: LiveMove, _ offer: MovePackage) async throws(DriverError) -> MovePackage {
        var package = try LivePackage(offer)
        let machine = try await driver.ourMachine(guest)
        guard machine.isRunning || machine.state == "Paused" else {
            throw .refused("The server does not run; it can be moved only while it is off.")
        }
        let disks = try await driver.disks(of: machine)
        let isSamePool = try await driver.poolIdentifier() == package.pool
        guard isSamePool else {
            if move.copiesDisks == false {
                throw .refused("The other node is of another pool, which does not see the server's disks.")
            }
            guard !disks.contains(where: { $0.volume != nil }) else {
                throw .refused("A server with volumes cannot be moved to another pool while it runs.")
            }
            package.movesDisks = true
            return try package.package()
        }
        guard package.host != driver.place.reference else { throw .refused("The server is on that node already.") }
        package.movesDisks = try await !areSeen(disks, by: package.host)
        if package.movesDisks, move.copiesDisks == false {
            throw .refused("The other node does not see the server's disks, and they must not be copied.")
        }
        if !package.movesDisks, !disks.contains(where: { $0.volume != nil }) {
            if case .failure(let failure) = try await client.ask(
                "VM.assert_can_boot_here", [.text(machine.reference), .text(package.host)])
            {
                throw .refused("The server cannot move to the other node: \(failure.text)")
            }
        }
        return try package.package()
    }

    /// Whether a host sees all disks of a guest; volumes, which it connects when they are needed, do not count.
    private func areSeen(_ disks: [MachineDisk], by host: String) async throws(DriverError) -> Bool {
        let repositories = Repositories(client: client, place: driver.place)
        for disk in disks where disk.volume == nil {
            guard let vdi = disk.vdi else { continue }
            let place = try await client.call("VDI.get_SR", [.text(vdi)], "describe the guest's disks")
            let record = try await client.call("SR.get_record", [place], "describe the guest's storage")
            if try await !repositories.isReached(record, by: host) { return false }
        }
        return true
    }

    func prepareArrival(of spec: GuestSpec, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> MovePackage
    {
        var contents = try LivePackage(package)
        // Asked again: time has passed since the offer.
        try await requireEnabledHost()
        return try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            for volume in spec.volumes {
                try Volumes.check(volume)
                _ = try await Volumes(driver: driver).connect(volume)
                rollback.onFailure { await self.release([volume.id]) }
                if !contents.volumes.contains(volume.id) { contents.volumes.append(volume.id) }
            }
            let networks = Networks(client: client, option: driver.options.integrationNetwork)
            for interface in spec.interfaces {
                contents.networks[interface.macAddress.lowercased()] = try await networks.find(for: interface)
            }
            if contents.movesDisks {
                contents.permit = try await client.call(
                    "host.migrate_receive", [.text(driver.place.reference), .text(try await managementNetwork()), [:]],
                    "permit the arrival of a guest"
                ).textMap
            }
            return try contents.package()
        }
    }

    private func requireEnabledHost() async throws(DriverError) {
        let enabled = try await client.call(
            "host.get_enabled", [.text(driver.place.reference)], "tell whether the host is enabled"
        ).truth
        guard enabled else { throw .refused("The host \(driver.place.name) is in maintenance.") }
    }

    /// The network over which hosts talk to one another.
    private func managementNetwork() async throws(DriverError) -> String {
        let cards = try await client.call("PIF.get_all_records", [], "describe the host's network").map
        for card in cards.values where card["management"].truth && card["host"].text == driver.place.reference {
            return card["network"].text
        }
        throw .failed("the host \(driver.place.name) has no management interface")
    }

    /// A guest's machine wherever it is in the pool.
    private func anywhere(_ guest: GuestID) async throws(DriverError) -> Machine? {
        try await driver.machineInPool(guest)
    }

    func migrate(_ guest: GuestID, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> LiveMoveEnd
    {
        let contents = try LivePackage(package)
        return try await driver.guestGate.pass(guest) { () async throws(DriverError) in
            let isSamePool = try await driver.poolIdentifier() == contents.pool
            guard let machine = try await anywhere(guest) else {
                // It left this pool: that is what a machine that was sent away does.
                if !isSamePool { return .moved }
                throw .noSuchGuest(guest)
            }
            if isSamePool, machine.host == contents.host { return .moved }
            guard machine.operation <= call.operation else {
                throw .stale("operation \(call.operation) on guest \(guest) comes after \(machine.operation)")
            }
            // A repeat of a call that ended so already.
            if machine.otherConfig[Mark.stayed] == "\(call.operation)" { return .stayed }
            let progress = driver.progress(of: guest, "moving")
            let end: TaskEnd
            if let task = Self.task(of: machine) {
                end = try await driver.tasks.follow(task, progress: progress)
            } else {
                try await driver.mark(machine.reference, [Mark.operation: "\(call.operation)"])
                if contents.movesDisks {
                    driver.mirror.expectEnd(of: machine.reference)
                    end = try await driver.tasks.run(
                        "VM.migrate_send", try await sending(machine, contents), progress: progress)
                } else {
                    end = try await driver.tasks.run(
                        "VM.pool_migrate", [.text(machine.reference), .text(contents.host), ["live": "true"]],
                        progress: progress)
                }
            }
            let verdict = try await verdict(guest, contents, isSamePool, end)
            if verdict == .stayed {
                try await driver.mark(machine.reference, [Mark.stayed: "\(call.operation)"])
            }
            return verdict
        }
    }

    /// The task that moves a machine now.
    private static func task(of machine: Machine) -> String? {
        machine.currentOperations.first { ["pool_migrate", "migrate_send"].contains($0.value) }?.key
    }

    private func verdict(_ guest: GuestID, _ contents: LivePackage, _ isSamePool: Bool, _ end: TaskEnd)
        async throws(DriverError) -> LiveMoveEnd
    {
        if case .failed(let failure) = end {
            driver.host.log(
                .warning, "live migration failed", ["guest.id": guest.description, "reason": failure.text])
        }
        guard let now = try await anywhere(guest) else {
            if !isSamePool { return .moved }
            throw .noSuchGuest(guest)
        }
        return isSamePool && now.host == contents.host ? .moved : .stayed
    }

    private func sending(_ machine: Machine, _ contents: LivePackage) async throws(DriverError) -> [XenValue] {
        var disks: [String: XenValue] = [:]
        for disk in try await driver.disks(of: machine) where disk.volume == nil {
            if let vdi = disk.vdi { disks[vdi] = .text(contents.repository) }
        }
        var interfaces: [String: XenValue] = [:]
        for reference in machine.interfaces {
            let address = try await client.call("VIF.get_MAC", [.text(reference)], "describe an interface").text
            if let network = contents.networks[address.lowercased()] { interfaces[reference] = .text(network) }
        }
        return [
            .text(machine.reference), XenValue(contents.permit), true, .map(disks), .map(interfaces),
            ["force": "false"],
        ]
    }

    func forceComplete(_ guest: GuestID) async throws(DriverError) {
        guard let machine = try await anywhere(guest), Self.task(of: machine) != nil else {
            throw .refused("The server is not moving.")
        }
        throw .notSupported("XenAPI has no way to end a live migration sooner.")
    }

    func abort(_ guest: GuestID) async throws(DriverError) {
        guard let machine = try await anywhere(guest), let task = Self.task(of: machine) else {
            throw .refused("The server is not moving.")
        }
        if case .failure(let failure) = try await client.ask("task.cancel", [.text(task)]) {
            throw .refused("The move can no longer be held: \(failure.text)")
        }
    }

    func finishArrival(of spec: GuestSpec, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
    {
        guard let machine = try await anywhere(spec.id), machine.host == driver.place.reference else {
            throw .noSuchGuest(spec.id)
        }
        _ = try await client.call(
            "VM.set_affinity", [.text(machine.reference), .text(driver.place.reference)], "keep a guest on its host")
        try await driver.mark(
            machine.reference,
            [Mark.node: driver.host.nodeName, Mark.operation: "\(max(call.operation, machine.operation))"])
        return XenAPIDriver.handle(machine)
    }

    func finishDeparture(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        // Once more a look at the pool: what follows swallows failures.
        if let machine = try await anywhere(guest), machine.host == driver.place.reference {
            throw .refused("Guest \(guest) still runs on this host.")
        }
        await release(try LivePackage(package).volumes)
    }

    func abandonArrival(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        if let machine = try await anywhere(guest), machine.host == driver.place.reference { return }
        await release(try LivePackage(package).volumes)
    }

    /// Ends this host's connection to volumes that a guest on another host holds or nobody does.
    private func release(_ volumes: [VolumeID]) async {
        for volume in volumes {
            do throws(DriverError) {
                let known = try await client.call(
                    "SR.get_by_uuid", [.text(volume.description)], accepting: ["UUID_INVALID"], "look for a volume")
                if let repository = known?.reference {
                    try await Volumes(driver: driver).release(repository: repository)
                }
            } catch {
                driver.host.log(
                    .warning, "a volume stays connected to this host",
                    ["volume.id": volume.description, "error": error.message])
            }
        }
    }
}

extension XenAPIDriver {
    /// A guest's machine wherever it is in the pool.
    func machineInPool(_ guest: GuestID) async throws(DriverError) -> Machine? {
        var references = try await client.call(
            "VM.get_by_name_label", [.text(guest.machineName)], "look for a guest"
        ).texts
        if let known = mirror.reference(of: guest) { references.append(known) }
        for reference in references {
            if let machine = try await machine(reference), machine.isGuest, machine.guest == guest { return machine }
        }
        return nil
    }
}

/// Brings up guests of a host of the pool that is dead. The pool keeps their machines, so only the host changes.
struct Evacuation: EvacuatingGuests {
    let driver: XenAPIDriver

    func holdsDisks(of guest: GuestID) async throws(DriverError) -> Bool {
        guard let machine = try await driver.machineInPool(guest) else { return false }
        return try await sees(machine)
    }

    private func sees(_ machine: Machine) async throws(DriverError) -> Bool {
        let repositories = Repositories(client: driver.client, place: driver.place)
        for disk in try await driver.disks(of: machine) where disk.volume == nil {
            guard let vdi = disk.vdi else { continue }
            let place = try await driver.client.call("VDI.get_SR", [.text(vdi)], "describe the guest's disks").text
            if try await repositories.repository(place) == nil { return false }
        }
        return true
    }

    func adopt(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try await driver.guestGate.pass(spec.id) { () async throws(DriverError) in
            let client = driver.client
            guard let machine = try await driver.machineInPool(spec.id), try await sees(machine) else {
                throw .refused("This node does not see the server's disks.")
            }
            let reference = XenValue.text(machine.reference)
            if let home = machine.host, home != driver.place.reference {
                let metrics = try await client.call("host.get_metrics", [.text(home)], "look at the other host")
                let isLive = try await client.call("host_metrics.get_live", [metrics], "look at the other host").truth
                guard !isLive else { throw .refused("The server runs on another host of the pool, which is alive.") }
                _ = try await client.call("VM.power_state_reset", [reference], "take the guest from its dead host")
            }
            for volume in spec.volumes { _ = try await Volumes(driver: driver).connect(volume) }
            _ = try await client.call(
                "VM.set_affinity", [reference, .text(driver.place.reference)], "bring a guest to its host")
            try await driver.mark(
                machine.reference, [Mark.node: driver.host.nodeName, Mark.operation: "\(call.operation)"])
            guard let now = try await driver.machine(machine.reference) else { throw .noSuchGuest(spec.id) }
            if spec.isRunning { try await driver.bringUp(now) }
            return XenAPIDriver.handle(now)
        }
    }

    func forget(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.guestGate.pass(guest) { () async throws(DriverError) in
            // The pool has one machine for the guest: if it is elsewhere now, nothing of it is here, but its number is.
            if let machine = try await driver.machineInPool(guest), machine.operation > call.operation {
                throw XenAPIDriver.stale(guest, call, machine.operation)
            }
            guard case .ours(let machine) = try await driver.presence(of: guest) else { return }
            driver.mirror.expectEnd(of: machine.reference)
            try await driver.pullThePlug(machine)
            try await driver.client.call("VM.destroy", [.text(machine.reference)], accepting: ["HANDLE_INVALID"])
        }
    }
}

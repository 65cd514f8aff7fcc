import ComputeModel
import DriverAPI

/// A guest that a case made.
struct TestGuest: Sendable {
    let id: GuestID
    var spec: GuestSpec
    /// The call that made it.
    var call: DriverCall
    var handle: GuestHandle
}

/// What a case works with: the driver, and ways to make, watch and remove things. Whatever a case makes is removed
/// after it.
final class Bench: Sendable {
    private struct Made {
        var guests: [(id: GuestID, node: Node)] = []
        var volumes: [VolumeSpec] = []
        var interfaces: [NetworkInterfaceSpec] = []
        var foreign: [GuestID] = []
        var departures: [Departure] = []
        var shared: TestGuest?
    }
    /// A guest that is on its way, as the conductor remembers it.
    private struct Departure {
        let spec: GuestSpec
        let package: MovePackage
        let source: Node
        let destination: Node
    }
    let node: Node
    /// The other node; only for cases that need one.
    let otherNode: Node?
    let seed: UInt64
    private let numbers: CallNumbers
    private let made = Locked(Made())

    init(node: Node, otherNode: Node? = nil, numbers: CallNumbers, seed: UInt64, shared: TestGuest? = nil) {
        self.node = node
        self.otherNode = otherNode
        self.numbers = numbers
        self.seed = seed
        if let shared { made.with { $0.shared = shared } }
    }

    var subject: any ConformanceSubject { node.subject }
    var limits: ConformanceLimits { subject.limits }
    var driver: any ComputeDriver { node.driver }
    var capabilities: Capabilities { driver.capabilities }

    /// The next call: its number is higher than all before.
    func call() -> DriverCall { numbers.next() }

    /// The second node.
    func second() throws -> Node {
        guard let otherNode else { throw CaseSkip.notShown(SubjectPart.secondNode.absence) }
        return otherNode
    }

    /// The guest that read-only cases share.
    func sharedGuest() throws -> TestGuest {
        try unwrap(bystander, "the case did not say that it uses the shared guest")
    }

    /// A guest that nothing is done to; `nil` where there is no room for it.
    var bystander: TestGuest? { made.with { $0.shared } }

    // MARK: Making

    /// What a new guest shall be.
    func makeSpec(metadata: [String: String] = [:]) -> GuestSpec {
        let id = GuestID.random()
        return GuestSpec(
            id: id, name: "conformance-" + id.uuid.compact.prefix(8), projectID: "conformance", userID: "conformance",
            flavor: limits.flavor, image: subject.images.boot, interfaces: [], metadata: metadata)
    }

    /// Makes a guest and waits until it runs.
    func spawn(
        on node: Node? = nil, metadata: [String: String] = [:],
        _ change: @Sendable (inout GuestSpec) -> Void = { _ in }
    ) async throws -> TestGuest {
        var spec = makeSpec(metadata: metadata)
        change(&spec)
        return try await spawn(spec, on: node ?? self.node)
    }

    /// Makes a guest of that specification.
    func spawn(_ spec: GuestSpec, on node: Node? = nil, _ call: DriverCall? = nil) async throws -> TestGuest {
        let node = node ?? self.node
        track(spec.id, on: node)
        let call = call ?? self.call()
        let driver = node.driver
        let handle = try await doing("spawn") { try await driver.spawn(spec, call) }
        node.keep(handle, of: spec.id)
        return TestGuest(id: spec.id, spec: spec, call: call, handle: handle)
    }

    /// Sees to it that a guest is removed after the case.
    func track(_ guest: GuestID, on node: Node? = nil) {
        let node = node ?? self.node
        made.with { made in
            if !made.guests.contains(where: { $0.id == guest && $0.node === node }) {
                made.guests.append((guest, node))
            }
        }
    }

    /// Remembers that a guest is on its way, so that it is taken back after the case if it arrives nowhere: with disks
    /// that nodes share, a source cannot know whether they are still its own.
    func track(departureOf guest: TestGuest, _ package: MovePackage, to destination: Node) {
        let departure = Departure(spec: guest.spec, package: package, source: node, destination: destination)
        made.with { $0.departures.append(departure) }
    }

    /// Makes a volume that the driver takes: of the given kind, or of the first kind that the driver names and the
    /// subject makes.
    func volume(_ kind: VolumeConnection.Kind? = nil, sizeGiB: Int = 1) async throws -> VolumeSpec {
        guard let volumes = subject.volumes else { throw CaseSkip.notShown(SubjectPart.volumes.absence) }
        var kinds = kind.map { [$0] } ?? []
        if kind == nil, let attaching = capabilities.volumes {
            let taken = try await attaching.connector().kinds
            kinds = VolumeConnection.Kind.allCases.filter(taken.contains)
        }
        for candidate in kinds {
            guard let volume = try await volumes.make(candidate, sizeGiB: sizeGiB) else { continue }
            track(volume)
            return volume
        }
        let names = kinds.map(\.rawValue).joined(separator: ", ")
        throw CaseSkip.notShown("there are no volumes of the kind \(names)")
    }

    /// Sees to it that a volume is removed after the case.
    func track(_ volume: VolumeSpec) { made.with { $0.volumes.append(volume) } }

    /// Makes a volume that a guest boots from.
    func bootVolume() async throws -> VolumeSpec {
        guard let volumes = subject.volumes, var volume = try await volumes.makeBootable() else {
            throw CaseSkip.notShown("there are no volumes to boot from")
        }
        track(volume)
        volume.bootIndex = 0
        return volume
    }

    /// Prepares an interface.
    func interface() async throws -> NetworkInterfaceSpec {
        guard let interface = try await subject.makeInterface(for: driver) else {
            throw CaseSkip.notShown(SubjectPart.interfaces.absence)
        }
        made.with { $0.interfaces.append(interface) }
        return interface
    }

    /// Makes a guest that is not the driver's.
    func foreignGuest() async throws -> GuestID {
        guard let foreign = subject.foreignGuests else { throw CaseSkip.notShown(SubjectPart.foreignGuests.absence) }
        let guest = try await foreign.make()
        made.with { $0.foreign.append(guest) }
        return guest
    }

    // MARK: Ending

    /// Removes everything that the case made.
    ///
    /// - Returns: what could not be removed, and why.
    func cleanUp() async -> [String] {
        let all = made.with { $0 }
        var problems: [String] = []
        for departure in all.departures where departure.source !== departure.destination {
            let id = departure.spec.id
            guard (try? await departure.destination.driver.powerState(of: id)) == nil else { continue }
            // Refused where the move is over, which is as good.
            let resizing = departure.source.driver.capabilities.resizing
            _ = try? await resizing?.takeBack(departure.spec, departure.package, call())
        }
        for (guest, node) in all.guests.reversed() {
            do {
                try await remove(guest, from: node)
            } catch {
                problems.append("guest \(guest) cannot be removed: \(told(error))")
            }
            node.keep(nil, of: guest)
        }
        for volume in all.volumes {
            do { try await subject.volumes?.remove(volume) } catch {
                problems.append("volume \(volume.id) cannot be removed: \(error)")
            }
        }
        for interface in all.interfaces {
            do { try await subject.remove(interface) } catch {
                problems.append("interface \(interface.portID) cannot be removed: \(error)")
            }
        }
        for guest in all.foreign {
            do { try await subject.foreignGuests?.remove(guest) } catch {
                problems.append("foreign guest \(guest) cannot be removed: \(error)")
            }
        }
        return problems
    }

    private func remove(_ guest: GuestID, from node: Node) async throws {
        // A call that a failed case left running may hold the guest for a moment.
        var attempt = 0
        while true {
            do {
                try await node.driver.destroy(guest, call())
                return
            } catch {
                attempt += 1
                guard error.remedy != .giveUp, attempt < 5 else { throw error }
                try await Task.sleep(for: limits.scaled(.milliseconds(50)))
            }
        }
    }
}

/// Numbers of calls, growing over all guests of a run; that is more than the contract asks for and never less.
final class CallNumbers: Sendable {
    private let last: Locked<Int64>

    init(after number: Int64 = 1_000) { last = Locked(number) }

    func next() -> DriverCall {
        let number = last.with { last in
            last += 1
            return last
        }
        return DriverCall(operation: number, requestID: "req-conformance-\(number)")
    }
}

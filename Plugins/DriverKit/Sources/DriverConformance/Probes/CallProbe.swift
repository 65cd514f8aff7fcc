import ComputeModel
import DriverAPI

/// What a changing call is tried on.
struct Arranged: Sendable {
    /// The node whose driver is called.
    var node: Node
    var guest: TestGuest
    var volume: VolumeSpec?
    var otherVolume: VolumeSpec?
    var interface: NetworkInterfaceSpec?
    /// An image that waits for its data.
    var image = ImageID.random()
    var coldMove: ColdMove?
    var liveMove: LiveMove?
    var package: MovePackage?

    var id: GuestID { guest.id }
    var driver: any ComputeDriver { node.driver }
    var capabilities: Capabilities { driver.capabilities }
}

/// One changing call of the driver API, as data: from it follow the cases that every such call has.
struct CallProbe: Sendable {
    /// The cases that a call can have.
    enum Aspect: CaseIterable, Sendable {
        case does, repeated, stale, absent, foreign, fails, cancelled, killed, restarted
    }
    /// What the call does to a guest that the hypervisor does not have.
    enum OnAbsent: Sendable { case throwsNoSuchGuest, succeeds }

    /// First part of the cases' names: `core.power-on`.
    let id: String
    /// What the call does, as it stands in sentences: `starting a guest`.
    let deed: String
    let feature: FeatureKey?
    var needs: [ConformanceNeed] = []
    var parts: Set<SubjectPart> = []
    /// The call's name in rehearsals.
    let rehearsal: String
    /// Whether the plain case belongs to everyday's subset.
    var isQuick = true
    var aspects = Set(Aspect.allCases)
    var onAbsent = OnAbsent.throwsNoSuchGuest
    /// A call that throws may leave the guest off.
    var mayEndOff = false
    /// Guests that it makes.
    var guests = 1
    /// Makes the guest. The metadata rehearses delays and failures.
    var make: @Sendable (Bench, [String: String]) async throws -> Arranged = Self.spawn
    /// Makes what the call needs beside a guest.
    var equip: @Sendable (Bench, inout Arranged) async throws -> Void = { _, _ in }
    /// Brings the guest to where the call makes sense.
    var position: @Sendable (Bench, inout Arranged) async throws -> Void = { _, _ in }
    /// The call.
    let perform: @Sendable (Bench, Arranged, DriverCall) async throws -> Void
    /// Fails the case unless the call has done what it is for.
    let verify: @Sendable (Bench, Arranged) async throws -> Void

    /// A guest on the first node.
    static let spawn: @Sendable (Bench, [String: String]) async throws -> Arranged = { bench, metadata in
        Arranged(node: bench.node, guest: try await bench.spawn(metadata: metadata))
    }

    /// A guest on the first node whose agent answers, for the call of that name.
    static func spawnWithAgent(
        for call: String
    ) -> @Sendable (Bench, [String: String]) async throws -> Arranged {
        { bench, metadata in
            Arranged(node: bench.node, guest: try await bench.spawnWithAgent(metadata: metadata, examined: call))
        }
    }

    /// Everything before the call.
    func arrange(_ bench: Bench, metadata: [String: String] = [:]) async throws -> Arranged {
        var arranged = try await make(bench, metadata)
        try await equip(bench, &arranged)
        try await position(bench, &arranged)
        return arranged
    }

    /// What the call needs, for a guest that is not made.
    func arrange(_ bench: Bench, absent guest: GuestID) async throws -> Arranged {
        var spec = bench.makeSpec()
        spec.id = guest
        let call = bench.call()
        var arranged = Arranged(
            node: bench.node,
            guest: TestGuest(id: guest, spec: spec, call: call, handle: GuestHandle(version: 1, data: [])))
        try await equip(bench, &arranged)
        return arranged
    }

    /// How the call ends in sentences.
    func tell(_ text: String) -> String { deed + " " + text }
}

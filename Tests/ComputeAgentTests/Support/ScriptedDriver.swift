import ComputeModel
import DriverAPI
import Glibc

/// A driver that does what a test says: each call is noted, may wait for a gate and may fail.
final class ScriptedDriver: ComputeDriver, ConsoleLogReading, CachingImages {
    struct State: Sendable {
        var calls: [String] = []
        var guests: [GuestID: PowerState] = [:]
        var foreign: Set<GuestID> = []
        /// Thrown by the next calls of that verb, one each.
        var failures: [String: [DriverError]] = [:]
        /// Calls of these verbs wait until released or cancelled.
        var gates: Set<String> = []
        /// Calls of these verbs wait until released and do not listen to their cancellation.
        var hung: Set<String> = []
        /// Calls of these verbs block their thread until released.
        var blocked: Set<String> = []
        /// Listed once more than they are.
        var doubled: Set<GuestID> = []
        var handle = GuestHandle(version: 3, data: [1, 2])
        var running = 0
        var runningMax = 0
    }
    let state = Locked(State())
    let healthBroadcast: NewestValueBroadcast<DriverHealth>
    let inventoryBroadcast = NewestValueBroadcast<NodeInventory>()
    let eventBroadcast = GuestEventBroadcast()
    private let hasConsole: Bool
    private let traits: Set<Trait>

    init(hasConsole: Bool = true, health: DriverHealth? = .healthy, traits: Set<Trait> = []) {
        self.hasConsole = hasConsole
        self.traits = traits
        healthBroadcast = NewestValueBroadcast(health)
    }

    var calls: [String] { state.with { $0.calls } }
    func fail(_ verb: String, _ errors: DriverError...) { state.with { $0.failures[verb, default: []] += errors } }
    func hold(_ verb: String) { state.with { _ = $0.gates.insert(verb) } }
    func hang(_ verb: String) { state.with { _ = $0.hung.insert(verb) } }
    func block(_ verb: String) { state.with { _ = $0.blocked.insert(verb) } }
    func release(_ verb: String) {
        state.with { state in
            state.gates.remove(verb)
            state.hung.remove(verb)
            state.blocked.remove(verb)
        }
    }

    var capabilities: Capabilities {
        var capabilities = Capabilities(
            consoleLog: hasConsole ? self : nil, bindings: [.bridge], imageFormats: ["raw"], traits: traits)
        capabilities.imageCache = self
        return capabilities
    }
    func cachedImages() async throws(DriverError) -> [CachedImage] { [] }
    func cache(_ image: ImageSpec) async throws(DriverError) {}
    func removeImages(unusedFor age: Duration) async throws(DriverError) -> [CachedImage] {
        try await step("removeImages", "\(age.components.seconds)")
        return []
    }
    func health() -> AsyncStream<DriverHealth> { healthBroadcast.stream() }
    func inventory() -> AsyncStream<NodeInventory> { inventoryBroadcast.stream() }
    func events() -> AsyncStream<GuestEvent> { eventBroadcast.stream() }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        try await step("recover", "\(handles.count)")
        let held = state.with { $0.guests }
        return handles.filter { held[$0.key] != nil }
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        try await step("guests", "")
        return state.with { state in
            let all = Array(state.guests) + state.guests.filter { state.doubled.contains($0.key) }
            return all.map {
                GuestSummary(id: $0.key, name: "vm", power: $0.value, isOurs: !state.foreign.contains($0.key))
            }
        }
    }

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        guard let power = state.with({ $0.guests[guest] }) else { throw .noSuchGuest(guest) }
        return power
    }

    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try await step("spawn", "\(call.operation)")
        return state.with { state in
            state.guests[spec.id] = .running
            return state.handle
        }
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await step("destroy", "\(call.operation)")
        state.with { $0.guests[guest] = nil }
    }

    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await step("powerOn", "\(call.operation)")
        state.with { $0.guests[guest] = .running }
    }

    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        try await step("powerOff", "\(call.operation)")
        state.with { $0.guests[guest] = .shutdown }
    }

    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)
    {
        try await step("reboot", "\(kind.rawValue) \(call.operation)")
        state.with { $0.guests[guest] = .running }
    }

    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8] {
        try await step("console", "\(bytesMax)")
        guard state.with({ $0.guests[guest] }) != nil else { throw .noSuchGuest(guest) }
        return Array("hello".utf8.suffix(bytesMax))
    }

    func shutDown() async { state.with { $0.calls.append("shutDown") } }

    private func step(_ verb: String, _ detail: String) async throws(DriverError) {
        state.with { state in
            state.calls.append(detail.isEmpty ? verb : "\(verb) \(detail)")
            state.running += 1
            state.runningMax = max(state.runningMax, state.running)
        }
        defer { state.with { $0.running -= 1 } }
        while state.with({ $0.gates.contains(verb) }) {
            do { try await Task.sleep(for: .milliseconds(1)) } catch { throw .cancelled }
        }
        while state.with({ $0.hung.contains(verb) }) {
            await Task { try? await Task.sleep(for: .milliseconds(1)) }.value
        }
        while state.with({ $0.blocked.contains(verb) }) { usleep(1000) }
        let failure: DriverError? = state.with { state in
            guard state.failures[verb]?.isEmpty == false else { return nil }
            return state.failures[verb]?.removeFirst()
        }
        if let failure { throw failure }
    }
}

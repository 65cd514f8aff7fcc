import ComputeModel
import DriverAPI

/// What a guest may be after the calls that it got: the model against which random calls are judged.
struct GuestModel: Sendable {
    /// What the model knows of a guest.
    enum State: String, Sendable {
        case absent, running, off, paused, suspended

        /// What the driver may say then; empty for a guest that must be absent.
        var powers: Set<PowerState> {
            switch self {
            case .absent: []
            case .running: [.running]
            case .off: [.shutdown]
            case .paused: [.paused]
            case .suspended: [.suspended, .shutdown]
            }
        }
    }
    /// Calls that the model knows.
    enum Step: String, CaseIterable, Sendable {
        case spawn, destroy, powerOn, powerOff, softReboot, hardReboot, pause, unpause, suspend, resume
        /// The last call once more by its number.
        case again
        /// Some call by a number that is lower than the last.
        case late
    }

    private(set) var state = State.absent

    /// The calls whose outcome is laid down for a guest in this state.
    func steps(_ capabilities: Capabilities) -> [Step] {
        var steps: [Step] =
            switch state {
            case .absent: [.spawn, .spawn, .destroy]
            case .running: [.powerOn, .powerOff, .softReboot, .hardReboot, .pause, .unpause, .suspend, .resume]
            case .off: [.powerOn, .powerOff, .hardReboot, .pause, .suspend]
            case .paused: [.powerOff, .hardReboot, .pause, .unpause, .suspend]
            case .suspended: [.resume, .suspend]
            }
        if state != .absent { steps += [.destroy, .again, .late] }
        return steps.filter { step in
            switch step {
            case .pause, .unpause: capabilities.pausing != nil
            case .suspend, .resume: capabilities.suspending != nil
            default: true
            }
        }
    }

    /// Whether the call is refused in this state.
    func refuses(_ step: Step) -> Bool { state == .off && [.pause, .suspend].contains(step) }

    /// The state after the call has succeeded.
    mutating func apply(_ step: Step) {
        switch step {
        case .spawn, .powerOn, .softReboot, .hardReboot, .unpause, .resume: state = .running
        case .destroy: state = .absent
        case .powerOff: state = .off
        case .pause: state = .paused
        case .suspend: state = .suspended
        case .again, .late: break
        }
    }
}

/// One guest under random calls, one after the other.
struct RandomHistory: Sendable {
    let bench: Bench
    let guest: GuestID
    private var spec: GuestSpec
    private var model = GuestModel()
    private var generator: SeededGenerator
    private var last: (step: GuestModel.Step, call: DriverCall)?
    private var log: [String] = []

    init(_ bench: Bench, number: UInt64) {
        self.bench = bench
        generator = SeededGenerator(seed: bench.seed &* 1_000_003 &+ number)
        spec = bench.makeSpec()
        guest = spec.id
        bench.track(guest)
    }

    /// What the guest is by the model.
    var state: GuestModel.State { model.state }

    /// Makes so many random calls and judges each.
    mutating func run(_ count: Int) async throws {
        for _ in 0..<count {
            let steps = model.steps(bench.capabilities)
            guard let step = steps.randomElement(using: &generator) else { return }
            log.append(step.rawValue)
            do {
                try await take(step)
                try await judge()
            } catch {
                let history = log.suffix(8).joined(separator: ", ")
                throw CaseFailure(
                    description: "guest \(guest) after … \(history) (seed \(bench.seed)): \(told(error))")
            }
        }
    }

    private mutating func take(_ step: GuestModel.Step) async throws {
        switch step {
        case .again:
            guard let last else { return }
            try await perform(last.step, last.call)
        case .late:
            let late = DriverCall(operation: 1, requestID: "req-conformance-late")
            let history = self
            try await expectError([.stale], from: "a late powerOff") { try await history.perform(.powerOff, late) }
        default:
            let call = bench.call()
            if model.refuses(step) {
                let history = self
                try await expectError([.refused], from: "\(step.rawValue) of a guest that is off") {
                    try await history.perform(step, call)
                }
                // A refused call is the last one seen: what came before it is late now.
                last = nil
            } else {
                try await perform(step, call)
                model.apply(step)
                last = (step, call)
            }
        }
    }

    private func perform(_ step: GuestModel.Step, _ call: DriverCall) async throws {
        let (driver, capabilities) = (bench.driver, bench.capabilities)
        switch step {
        case .spawn: bench.node.keep(try await driver.spawn(spec, call), of: guest)
        case .destroy: try await driver.destroy(guest, call)
        case .powerOn: try await driver.powerOn(guest, call)
        case .powerOff: try await driver.powerOff(guest, within: .zero, call)
        case .softReboot: try await driver.reboot(guest, .soft, within: bench.limits.grace, call)
        case .hardReboot: try await driver.reboot(guest, .hard, within: .zero, call)
        case .pause: try await capabilities.pausing?.pause(guest, call)
        case .unpause: try await capabilities.pausing?.unpause(guest, call)
        case .suspend: try await capabilities.suspending?.suspend(guest, call)
        case .resume: try await capabilities.suspending?.resume(guest, call)
        case .again, .late: break
        }
    }

    private func judge() async throws {
        let power = try await bench.power(of: guest)
        let told = power.map { "\($0)" } ?? "absent"
        let isRight = power.map { model.state.powers.contains($0) } ?? (model.state == .absent)
        try check(isRight, "it is \(told) and must be \(model.state.rawValue)")
    }
}

extension ConformanceCase {
    /// Many guests at once.
    static let coreRandomCases: [ConformanceCase] = {
        var list = CaseList()
        list.add(
            "core.random.many-guests", .guestInfo,
            "Up to 32 guests under random calls at once each go through a history of their own", guests: 2,
            shared: .excludes, deadline: .seconds(600)
        ) { bench in
            let count = min(32, bench.limits.guestsMax)
            try await run(bench, guests: count, calls: bench.limits.randomCalls)
        }
        list.add(
            "core.random.one-guest", .guestInfo, "One guest under random calls goes through a linear history",
            deadline: .seconds(300)
        ) { bench in
            try await run(bench, guests: 1, calls: bench.limits.randomCalls * 2)
        }
        return list.cases
    }()

    private static func run(_ bench: Bench, guests: Int, calls: Int) async throws {
        let others = Set(try await bench.guests().map(\.id))
        let ends = try await withThrowingTaskGroup(of: (GuestID, GuestModel.State).self) { group in
            for number in 0..<guests {
                group.addTask {
                    var history = RandomHistory(bench, number: UInt64(number))
                    try await history.run(calls)
                    return (history.guest, history.state)
                }
            }
            return try await group.reduce(into: [GuestID: GuestModel.State]()) { $0[$1.0] = $1.1 }
        }
        let listed = try await bench.guests().filter { !others.contains($0.id) }
        let wanted = Set(ends.filter { $0.value != .absent }.keys)
        try check(Set(listed.map(\.id)) == wanted, "\(listed.count) guests are listed where \(wanted.count) exist")
        for entry in listed {
            let state = ends[entry.id] ?? .absent
            try check(
                state.powers.contains(entry.power), "\(entry.id) is listed as \(entry.power), not \(state.rawValue)")
        }
    }
}

import Sagas
import Testing

struct SuiteTests {
    private func scene() -> SagaScene<Assemble, Set<String>> {
        let workshop = Workshop()
        return SagaScene(services: workshop, parameters: .init()) { workshop.things }
    }

    @Test func aSoundSagaPasses() async throws {
        try await SagaSuite.check(Assemble.self) { scene() }
    }

    @Test func theDemonstrationPasses() async throws {
        try await SagaSuite.check(HoldSaga.self) {
            let gate = HoldGate()
            gate.open(for: SagaID("suite"))
            return SagaScene(services: gate, parameters: .init()) { 0 }
        }
    }

    @Test func anUndoThatForgetsSomethingIsFound() async throws {
        await #expect {
            try await SagaSuite.check(Careless<Forgets>.self) { careless() }
        } throws: { error in
            "\(error)".contains("failure of last: the world should be 0 but is 1")
        }
    }

    @Test func anActionThatCannotBeRepeatedIsFound() async throws {
        await #expect {
            try await SagaSuite.check(Careless<Counts>.self) { careless() }
        } throws: { error in
            "\(error)".contains("every action repeated")
        }
    }

    @Test func anUndoThatCannotBeRepeatedIsFound() async throws {
        await #expect {
            try await SagaSuite.check(Careless<FailsTwice>.self) { careless() }
        } throws: { error in
            "\(error)".contains("stuck in the undo of first")
        }
    }

    private func careless<Fault>() -> SagaScene<Careless<Fault>, Int> {
        let cell = Cell()
        return SagaScene(services: cell, parameters: .init()) { cell.value }
    }
}

final class Cell: Sendable {
    private let state = Locked(0)
    var value: Int { state.withLock { $0 } }
    func change(_ body: (inout Int) -> Void) { state.withLock { body(&$0) } }
}

/// How ``Careless`` is wrong.
protocol Carelessness: Sendable {
    static func act(_ cell: Cell)
    static func undo(_ cell: Cell) throws
}

enum Forgets: Carelessness {
    static func act(_ cell: Cell) { cell.change { $0 = 1 } }
    static func undo(_ cell: Cell) {}
}

enum Counts: Carelessness {
    static func act(_ cell: Cell) { cell.change { $0 += 1 } }
    static func undo(_ cell: Cell) { cell.change { $0 = 0 } }
}

enum FailsTwice: Carelessness {
    struct NothingThere: Error {}
    static func act(_ cell: Cell) { cell.change { $0 = 1 } }
    static func undo(_ cell: Cell) throws {
        if cell.value == 0 { throw NothingThere() }
        cell.change { $0 = 0 }
    }
}

enum Careless<Fault: Carelessness>: Saga {
    static var name: String { "careless" }
    struct Parameters: Codable, Sendable {}
    typealias Services = Cell

    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(StepKey<NoOutput>("first"), undo: .run { try Fault.undo($0.services) }) {
                Fault.act($0.services)
            },
            SagaStep(StepKey<NoOutput>("last"), undo: .notNeeded(because: "it is the last step")) { _ in },
        ]
    }
}

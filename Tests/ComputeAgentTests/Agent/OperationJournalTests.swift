import ComputeModel
import DriverAPI
import Foundation
import ServiceInterfaces
import Testing

@testable import ComputeAgent

@Suite struct OperationJournalTests {
    private let now = Timestamp(seconds: 1_000_000)

    private func entry(_ guest: InstanceID, _ operation: Int64, gone: Bool = false) -> OperationJournal.Entry {
        OperationJournal.Entry(
            instance: guest, operation: operation, outcome: .succeeded(power: .running, handle: nil), at: now,
            guestIsGone: gone)
    }

    @Test func theLastOperationOfAGuestIsKept() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/operations.jsonl"
        let guest = InstanceID.random()
        do {
            let journal = try OperationJournal(path: path, now: now)
            for operation in 1...3 { try journal.record(entry(guest, Int64(operation))) }
        }
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(#"{"instance":"0"#.utf8))
        try file.close()
        let journal = try OperationJournal(path: path, now: now)
        #expect(journal[guest]?.operation == 3)
        #expect(journal.operations == [guest: 3])
    }

    @Test func guestsThatAreGoneAreForgottenAfterADay() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/operations.jsonl"
        let (gone, here) = (InstanceID.random(), InstanceID.random())
        do {
            let journal = try OperationJournal(path: path, now: now)
            try journal.record(entry(gone, 1, gone: true))
            try journal.record(entry(here, 1))
        }
        #expect(try OperationJournal(path: path, now: now + .seconds(3600)).operations.count == 2)
        #expect(try OperationJournal(path: path, now: now + .seconds(90_000)).operations == [here: 1])
    }

    @Test func theFileDoesNotGrowForEver() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/operations.jsonl"
        let guests = (0..<10).map { _ in InstanceID.random() }
        let journal = try OperationJournal(path: path, now: now, compactionFloor: 20_000)
        for operation in 1...2_000 { try journal.record(entry(guests[operation % 10], Int64(operation))) }
        let size = try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect(size < 21_000)
        let again = try OperationJournal(path: path, now: now)
        #expect(again.operations == journal.operations)
        #expect(again.operations.values.sorted() == Array(1991...2000))
    }

    @Test func aDirectoryThatCannotBeWrittenIsSaid() {
        #expect(throws: AgentError.self) {
            try OperationJournal(path: "/proc/nowhere/operations.jsonl", now: now)
        }
    }
}

import ComputeModel
import DriverAPI
import DriverSupport
import Testing

@testable import LibvirtDriver

@Suite struct ThreadsTests {
    private let threads = BlockingThreads(count: 2)

    @Test func workRunsOnOtherThreadsAndErrorsComeBackTyped() async {
        struct Wrong: Error, Equatable { let number: Int }
        #expect(await threads.run { 42 } == 42)
        do throws(Wrong) {
            try await threads.run { () throws(Wrong) in throw Wrong(number: 7) }
            Issue.record("no error")
        } catch {
            #expect(error == Wrong(number: 7))
        }
    }

    @Test func acceptedWorkIsDoneAfterTheOwnerIsGone() async {
        let done = Locked(0)
        var owner: BlockingThreads? = BlockingThreads(count: 1)
        for _ in 0..<20 { owner?.start { done.with { $0 += 1 } } }
        owner = nil
        #expect(await eventually { done.with { $0 } == 20 })
    }

    @Test func aCancelledReaderDoesNotWait() async {
        let release = Locked(false)
        let threads = threads
        let reader = Task {
            await threads.runUnlessCancelled { () -> Int in
                while !release.with({ $0 }) { _ = 0 }
                return 1
            }
        }
        reader.cancel()
        #expect(await reader.value == nil)
        release.with { $0 = true }
    }

    @Test func aProgramsOutputAndStatusAreTold() async throws {
        let text = try await Subprocess("sh", ["-c", "echo one; echo two >&2"], timeout: .seconds(20)).run(on: threads)
        #expect(text == "one; two")
        await #expect(throws: Subprocess.Failure.failed(program: "sh", status: 3, output: "why")) {
            try await Subprocess("sh", ["-c", "echo why; exit 3"], timeout: .seconds(20)).run(on: threads)
        }
        await #expect(throws: Subprocess.Failure.notFound("no-such-program")) {
            try await Subprocess("no-such-program", [], timeout: .seconds(20)).run(on: threads)
        }
    }

    @Test func aProgramThatTakesTooLongIsEndedWithItsChildren() async {
        await #expect(throws: Subprocess.Failure.timedOut(program: "sh", .milliseconds(300))) {
            try await Subprocess("sh", ["-c", "sleep 100 & sleep 100"], timeout: .milliseconds(300)).run(on: threads)
        }
    }

    @Test func aCancelledProgramIsEnded() async {
        let threads = threads
        let clock = ContinuousClock()
        let began = clock.now
        let task = Task { () -> Subprocess.Failure? in
            do throws(Subprocess.Failure) {
                _ = try await Subprocess("sleep", ["100"], timeout: .seconds(100)).run(on: threads)
                return nil
            } catch {
                return error
            }
        }
        task.cancel()
        #expect(await task.value == .cancelled)
        #expect(clock.now - began < .seconds(5))
    }

    @Test func limitsEndAProgram() async {
        var hungry = Subprocess("sh", ["-c", "while :; do :; done"], timeout: .seconds(60))
        hungry.cpuSecondsMax = 1
        await #expect { try await hungry.run(on: threads) } throws: { error in
            if case Subprocess.Failure.killed = error { true } else { false }
        }
        var large = Subprocess("dd", ["if=/dev/zero", "of=/tmp/kn-large", "bs=1M", "count=8"], timeout: .seconds(60))
        large.fileSizeMax = 1 << 20
        await #expect(throws: Subprocess.Failure.self) { try await large.run(on: threads) }
        _ = try? await Subprocess("rm", ["-f", "/tmp/kn-large"], timeout: .seconds(10)).run(on: threads)
    }

    @Test func oneOperationAtATimeOnEachGuest() async throws {
        let locks = GuestLocks()
        let (one, other) = (GuestID.random(), GuestID.random())
        let inside = Locked(0)
        let most = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    guard (try? await locks.acquire(one)) != nil else { return }
                    let now = inside.with { count in
                        count += 1
                        return count
                    }
                    most.with { $0 = max($0, now) }
                    await Task.yield()
                    inside.with { $0 -= 1 }
                    await locks.release(one)
                }
            }
        }
        #expect(most.with { $0 } == 1)
        try await locks.acquire(one)
        try await locks.acquire(other)
        let waiter = Task { await driverError { try await locks.acquire(one) } }
        waiter.cancel()
        #expect(await waiter.value == .cancelled)
        await locks.release(one)
        try await locks.acquire(one)
    }

    @Test func manyCallersShareOneFlight() async throws {
        let flights = SingleFlight<Int>()
        let runs = Locked(0)
        let values = await withTaskGroup(of: Int?.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try? await flights.value("key") { () async throws(DriverError) in
                        runs.with { $0 += 1 }
                        do { try await Task.sleep(for: .milliseconds(300)) } catch { throw .cancelled }
                        return 5
                    }
                }
            }
            return await group.reduce(into: [Int?]()) { $0.append($1) }
        }
        #expect(values == Array(repeating: 5, count: 20))
        #expect(runs.with { $0 } == 1)
    }

    @Test func theLastCallerToLeaveEndsTheFlight() async {
        let flights = SingleFlight<Int>()
        let ended = Locked(false)
        let begun = Locked(0)
        func fly() -> Task<DriverError?, Never> {
            Task {
                begun.with { $0 += 1 }
                return await driverError {
                    _ = try await flights.value("key") { () async throws(DriverError) in
                        do { try await Task.sleep(for: .seconds(100)) } catch {
                            ended.with { $0 = true }
                            throw .cancelled
                        }
                        return 1
                    }
                }
            }
        }
        let (first, second) = (fly(), fly())
        #expect(await eventually { begun.with { $0 } == 2 })
        first.cancel()
        #expect(await first.value == .cancelled)
        second.cancel()
        #expect(await second.value == .cancelled)
        #expect(ended.with { $0 })
    }
}

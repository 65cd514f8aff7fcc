import Foundation
import Testing

/// A moment of fuzzing in every run of the tests, the same each time. `make fuzz` goes on for longer.
@Suite struct FuzzTests {
    private static let rounds = 600

    @Test(arguments: FuzzTarget.all.map(\.name))
    func parsersKeepTheirPromises(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        for seed in target.seeds { try attack(target, seed) }
        var mutator = Mutator(target, seed: 20_261_128)
        let begun = ContinuousClock.now
        for _ in 0..<Self.rounds {
            let input = mutator.next()
            let started = ContinuousClock.now
            try attack(target, input)
            let took = ContinuousClock.now - started
            // A parser that needs more for 16 KiB is not linear.
            #expect(took < .seconds(10), "\(name) took \(took) for \(Data(input).base64EncodedString())")
        }
        #expect(ContinuousClock.now - begun < .seconds(120))
    }

    private func attack(_ target: FuzzTarget, _ input: [UInt8]) throws {
        do {
            try target.check(input)
        } catch {
            Issue.record("\(target.name): \(error); the input in Base64: \(Data(input).base64EncodedString())")
        }
    }

    @Test func targetsHaveNamesOfTheirOwnAndSeeds() {
        let names = FuzzTarget.all.map(\.name)
        #expect(Set(names).count == names.count && names.count > 15)
        for target in FuzzTarget.all {
            #expect(!target.seeds.isEmpty, "\(target.name)")
            let longest = target.seeds.map(\.count).max() ?? 0
            #expect(longest <= FuzzTarget.inputBytesMax, "\(target.name)")
        }
    }

    @Test func inputsAreTheSameForTheSameSeed() throws {
        let target = try #require(FuzzTarget.all.first)
        var (one, two) = (Mutator(target, seed: 1), Mutator(target, seed: 1))
        for _ in 0..<100 { #expect(one.next() == two.next()) }
    }

    @Test func disksAreReadAsTheyWereDescribed() throws {
        for disk in DiskPieces.samples(qcow2: 1, vmdk: 2, vhd: 3, vhdx: 4, vdi: 5, raw: 0, iso: 6) {
            let read = DiskPieces(reading: disk.input)
            #expect(read.declared == disk.declared && read.input == disk.input)
        }
    }
}

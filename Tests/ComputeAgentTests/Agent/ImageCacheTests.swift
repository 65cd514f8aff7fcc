import ComputeAgent
import ComputeModel
import DriverAPI
import Testing

@Suite struct ImageCacheTests {
    @Test func imagesAreLookedThroughAgainAndAgainWhateverHappens() async throws {
        let bench = try await AgentBench()
        bench.driver.fail("removeImages", .unreachable("away"))
        try await bench.withAgent(adjust: { options in
            options.imageCacheInterval = .milliseconds(20)
            options.unusedImageAge = .seconds(77)
        }) { _ in
            try await until { bench.driver.calls.count { $0 == "removeImages 77" } > 2 }
        }
    }

    @Test func withoutAnAgeNothingIsRemoved() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: { options in
            options.imageCacheInterval = .milliseconds(5)
            options.unusedImageAge = nil
            options.reportInterval = .milliseconds(20)
        }) { _ in
            try await until { bench.notes.with { $0.services.count > 5 } }
            #expect(!bench.driver.calls.contains { $0.hasPrefix("removeImages") })
        }
    }
}

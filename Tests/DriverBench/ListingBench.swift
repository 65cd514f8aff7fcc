import DriverAPI
import DriverConformance
import Foundation
import LibvirtDriver

/// The state of all guests of a node.
enum ListingBench {
    private static let rounds = 30

    static func libvirt(_ values: [String: String]) async throws {
        let listing = try await GuestListing(uri: values["uri"] ?? "test:///default")
        var times: [Double] = []
        var count = 0
        let before = Usage.processorSeconds
        for _ in 0..<rounds { times.append(try await time { count = try await listing.read().count }.milliseconds) }
        let processor = (Usage.processorSeconds - before) * 1000 / Double(rounds)
        await listing.close()
        try tell([
            "guests": Double(count), "least, ms": times.percentile(0), "p50, ms": times.percentile(0.5),
            "most, ms": times.percentile(1), "processor, ms": processor,
        ])
    }

    static func vmware(_ values: [String: String]) async throws {
        let (host, factory) = (try BenchHost(), try loadedFactory("vmware"))
        let driver = try await factory.makeDriver(factory.configuration(values), host: host.scratch())
        var times: [Double] = []
        var count = 0
        let (before, processorBefore) = (host.exchangesBegun, Usage.processorSeconds)
        for _ in 0..<rounds { times.append(try await time { count = try await driver.guests().count }.milliseconds) }
        let exchanges = Double(host.exchangesBegun - before) / Double(rounds)
        let processor = (Usage.processorSeconds - processorBefore) * 1000 / Double(rounds)
        await driver.shutDown()
        await host.end()
        try tell([
            "guests": Double(count), "exchanges in each": exchanges, "least, ms": times.percentile(0),
            "p50, ms": times.percentile(0.5), "most, ms": times.percentile(1), "processor, ms": processor,
        ])
    }
}

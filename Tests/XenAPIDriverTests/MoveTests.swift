import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import XenAPIDriver

/// Guests that move: to other sizes, to other hosts of their pool, to other pools.
@Suite(.serialized) struct MoveTests {
    private static let local = ["sr_matching_filter": "other-config:i18n-key=local-storage"]

    private func flavor(_ spec: GuestSpec, rootGiB: Int, memoryMiB: Int = 512) -> FlavorSpec {
        var flavor = spec.flavor
        (flavor.rootGiB, flavor.memoryMiB) = (rootGiB, memoryMiB)
        return flavor
    }

    @Test func aGuestIsResizedInPlaceAndConfirmed() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let resizing = try #require(driver.capabilities.resizing)
            var spec = pool.spec(try pool.rawImage(), ephemeralGiB: 1)
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump().count
            let smaller = await failure {
                try await resizing.depart(
                    spec.id,
                    ColdMove(
                        destination: "node-1", staysOnNode: true,
                        flavor: FlavorSpec(
                            flavorID: "0", name: "s", vcpus: 1, memoryMiB: 64, rootGiB: 1, ephemeralGiB: 0),
                        grace: .seconds(1)), pool.call)
            }
            if case .refused = smaller {} else { Issue.record("\(String(describing: smaller))") }
            #expect(try await driver.powerState(of: spec.id) == .running)
            spec.flavor = flavor(spec, rootGiB: 3)
            let move = ColdMove(destination: "node-1", staysOnNode: true, flavor: spec.flavor, grace: .seconds(2))
            let depart = pool.call
            let package = try await resizing.depart(spec.id, move, depart)
            #expect(try await resizing.depart(spec.id, move, depart) == package)
            #expect(try await driver.powerState(of: spec.id) == .shutdown)
            let arrive = pool.call
            let handle = try await resizing.arrive(spec, with: package, arrive)
            #expect(try await resizing.arrive(spec, with: package, arrive) == handle)
            #expect(try await driver.powerState(of: spec.id) == .running)
            for _ in 1...2 { try await resizing.confirmDeparture(of: spec.id, package, pool.call) }
            #expect(try await driver.powerState(of: spec.id) == .running)
            let machine = try #require(try pool.simulator.machine(spec.id))
            #expect(machine["memory_static_max"] as? String == "\(512 << 20)")
            let root = try #require(
                try pool.simulator.records("VDI", ["name_label": DiskRole.root.name(of: spec.id)]).first)
            #expect(root["virtual_size"] as? String == "\(3 << 30)")
            let uuid = try #require(root["uuid"] as? String)
            #expect(try pool.simulator.bytes(ofDisk: uuid, count: 16) == Array("IMAGE-CONTENT-01".utf8))
            #expect(try pool.simulator.dump().count == before)
            try await driver.destroy(spec.id, pool.call)
            #expect(try await driver.guests() == [])
        }
    }

    @Test func aResizeIsReverted() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let resizing = try #require(driver.capabilities.resizing)
            let spec = pool.spec(try pool.rawImage())
            let handle = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump().filter { !$0.hasPrefix("console") }
            var larger = spec
            larger.flavor = flavor(spec, rootGiB: 2)
            let package = try await resizing.depart(
                spec.id, ColdMove(destination: "node-1", staysOnNode: true, flavor: larger.flavor, grace: .zero),
                pool.call)
            _ = try await resizing.arrive(larger, with: package, pool.call)
            for _ in 1...2 { try await resizing.abandonArrival(of: spec.id, package, pool.call) }
            let back = pool.call
            for _ in 1...2 { #expect(try await resizing.takeBack(spec, package, back) == handle) }
            #expect(try await driver.powerState(of: spec.id) == .running)
            #expect(try pool.simulator.dump().filter { !$0.hasPrefix("console") } == before)
        }
    }

    @Test(arguments: ["VM.create", "VDI.clone", "VDI.resize", "VM.start_on"])
    func anArrivalThatFailsLeavesTheSourceAsItIs(method: String) async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let resizing = try #require(driver.capabilities.resizing)
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            var larger = spec
            larger.flavor = flavor(spec, rootGiB: 2)
            let package = try await resizing.depart(
                spec.id, ColdMove(destination: "node-1", staysOnNode: true, flavor: larger.flavor, grace: .zero),
                pool.call)
            let before = try pool.simulator.dump()
            try pool.simulator.steer("fault", ["method": method, "error": ["SR_FULL", "1", "0"]])
            #expect(await failure { try await resizing.arrive(larger, with: package, pool.call) } != nil)
            #expect(try pool.simulator.dump() == before)
            _ = try await resizing.takeBack(spec, package, pool.call)
            #expect(try await driver.powerState(of: spec.id) == .running)
        }
    }

    @Test func aGuestMovesOffToAnotherHostWithLocalDisks() async throws {
        try await Pool.with(["--hosts", "2"]) { pool in
            let source = try await pool.driver(host: 0, Self.local)
            let destination = try await pool.driver(host: 1, Self.local)
            #expect(source.place.name == "pool-1")
            #expect(destination.place.name == "pool-2")
            var spec = pool.spec(try pool.rawImage())
            _ = try await source.spawn(spec, pool.call)
            spec.flavor = flavor(spec, rootGiB: 2)
            let (leaving, coming) = (
                try #require(source.capabilities.resizing), try #require(destination.capabilities.resizing)
            )
            let package = try await leaving.depart(
                spec.id, ColdMove(destination: "node-2", staysOnNode: false, flavor: spec.flavor, grace: .zero),
                pool.call)
            #expect(package.files.isEmpty)
            _ = try await coming.arrive(spec, with: package, pool.call)
            #expect(try await destination.powerState(of: spec.id) == .running)
            try await leaving.confirmDeparture(of: spec.id, package, pool.call)
            #expect(try await source.guests() == [])
            #expect(try await destination.guests().map(\.id) == [spec.id])
            #expect(await failure { try await source.powerState(of: spec.id) } == .noSuchGuest(spec.id))
        }
    }

    @Test func aGuestMovesOffToAnotherPool() async throws {
        try await Pool.with { pool in
            try await Pool.with { other in
                let source = try await pool.driver()
                let destination = try await other.driver()
                var spec = pool.spec(try pool.rawImage())
                _ = try await source.spawn(spec, pool.call)
                let sourceBefore = try pool.simulator.dump().filter { !$0.hasPrefix("console") }
                spec.flavor = flavor(spec, rootGiB: 2)
                let move = ColdMove(destination: "elsewhere", staysOnNode: false, flavor: spec.flavor, grace: .zero)
                let (leaving, coming) = (
                    try #require(source.capabilities.resizing), try #require(destination.capabilities.resizing)
                )
                let package = try await leaving.depart(spec.id, move, pool.call)
                #expect(package.files.map(\.name) == ["root"])
                _ = try await coming.arrive(spec, with: package, pool.call)
                let root = try #require(
                    try other.simulator.records("VDI", ["name_label": DiskRole.root.name(of: spec.id)]).first)
                let uuid = try #require(root["uuid"] as? String)
                #expect(try other.simulator.bytes(ofDisk: uuid, count: 16) == Array("IMAGE-CONTENT-01".utf8))
                #expect(try other.simulator.records("VDI").count == 1)
                try await coming.abandonArrival(of: spec.id, package, pool.call)
                #expect(try other.simulator.records("VDI").isEmpty)
                _ = try await leaving.takeBack(spec, package, pool.call)
                #expect(pool.host().openOffers.isEmpty)
                #expect(try pool.simulator.dump().filter { !$0.hasPrefix("console") } == sourceBefore)
            }
        }
    }

    /// Goes through the calls of a live migration up to its end.
    private func migrate(
        _ spec: GuestSpec, _ pool: Pool, _ source: XenAPIDriver, _ destination: XenAPIDriver,
        during body: @Sendable (any LiveMigratingGuests) async throws -> Void = { _ in }
    ) async throws -> LiveMoveEnd {
        let move = LiveMove(source: "node-1", destination: "node-2")
        let (leaving, coming) = (
            try #require(source.capabilities.liveMigration), try #require(destination.capabilities.liveMigration)
        )
        let offer = try await coming.offer(for: spec, move)
        let checked = try await leaving.check(spec.id, move, offer)
        let package = try await coming.prepareArrival(of: spec, move, checked, pool.call)
        let call = pool.call
        async let ended = leaving.migrate(spec.id, move, package, call)
        try await body(leaving)
        let end = try await ended
        #expect(try await leaving.migrate(spec.id, move, package, call) == end)
        switch end {
        case .moved:
            _ = try await coming.finishArrival(of: spec, package, pool.call)
            try await leaving.finishDeparture(of: spec.id, package, pool.call)
        case .stayed: try await coming.abandonArrival(of: spec.id, package, pool.call)
        }
        return end
    }

    @Test(arguments: [true, false]) func aGuestMovesWhileItRuns(isShared: Bool) async throws {
        try await Pool.with(["--hosts", "2"]) { pool in
            let options = isShared ? [:] : Self.local
            let source = try await pool.driver(host: 0, options)
            let destination = try await pool.driver(host: 1, options)
            let id = VolumeID.random()
            try pool.simulator.steer(
                "target", ["portal": "192.0.2.1:3260", "name": "iqn.v", "luns": ["0": 1 << 30]])
            let volume = VolumeSpec(
                id: id, connection: .iscsi(ISCSITarget(portal: "192.0.2.1:3260", name: "iqn.v", lun: 0)), sizeGiB: 1)
            let spec = pool.spec(try pool.rawImage(), volumes: isShared ? [volume] : [])
            _ = try await source.spawn(spec, pool.call)
            _ = try? await source.capabilities.imageCache?.removeImages(unusedFor: .zero)
            let disks = try pool.simulator.records("VDI").count
            #expect(try await migrate(spec, pool, source, destination) == .moved)
            #expect(try await destination.powerState(of: spec.id) == .running)
            #expect(try await source.guests() == [])
            #expect(try await destination.guests().map(\.id) == [spec.id])
            #expect(try pool.simulator.records("VDI").count == disks)
            let calls = try pool.simulator.calls()
            #expect(calls[isShared ? "VM.pool_migrate" : "VM.migrate_send"] != nil)
            #expect(pool.host().progress.contains { $0.phase == "moving" && ($0.percent ?? 0) > 0 })
            try await destination.destroy(spec.id, pool.call)
            #expect(try pool.simulator.records("VM").count == 2)
            #expect(try pool.simulator.records("SR", ["type": "iscsi"]).isEmpty)
        }
    }

    @Test func aGuestMovesToAnotherPoolWhileItRuns() async throws {
        try await Pool.with { pool in
            try await Pool.with { other in
                let (source, destination) = (try await pool.driver(), try await other.driver())
                let spec = pool.spec(try pool.rawImage())
                _ = try await source.spawn(spec, pool.call)
                #expect(try await migrate(spec, pool, source, destination) == .moved)
                #expect(try await destination.powerState(of: spec.id) == .running)
                #expect(try await source.guests() == [])
                #expect(
                    try pool.simulator.records("VDI").allSatisfy {
                        "\($0["name_label"] ?? "")".contains("kilonova image")
                    })
                try await destination.destroy(spec.id, pool.call)
                #expect(try other.simulator.records("VDI").isEmpty)
            }
        }
    }

    @Test func aMoveIsAborted() async throws {
        try await Pool.with(["--hosts", "2"]) { pool in
            let (source, destination) = (try await pool.driver(host: 0), try await pool.driver(host: 1))
            let spec = pool.spec(try pool.rawImage())
            _ = try await source.spawn(spec, pool.call)
            let idle = await failure { try await source.capabilities.liveMigration?.abort(spec.id) }
            if case .refused = idle {} else { Issue.record("\(String(describing: idle))") }
            try pool.simulator.steer("set", ["migrate_seconds": 60])
            let simulator = pool.simulator
            let end = try await migrate(spec, pool, source, destination) { moves in
                try await eventually("the guest moves") {
                    let machine = try simulator.machine(spec.id)
                    return (machine?["current_operations"] as? [String: Any])?.isEmpty == false
                }
                try await moves.abort(spec.id)
            }
            #expect(end == .stayed)
            #expect(try await source.powerState(of: spec.id) == .running)
            #expect(try await destination.guests() == [])
        }
    }

    @Test func movesThatCannotBeAreRefused() async throws {
        try await Pool.with(["--hosts", "2", "--memory-gib", "8"]) { pool in
            let (source, destination) = (
                try await pool.driver(host: 0, Self.local), try await pool.driver(host: 1, Self.local)
            )
            let spec = pool.spec(try pool.rawImage())
            _ = try await source.spawn(spec, pool.call)
            let moves = try #require(source.capabilities.liveMigration)
            let coming = try #require(destination.capabilities.liveMigration)
            let move = LiveMove(source: "node-1", destination: "node-2", copiesDisks: false)
            let offer = try await coming.offer(for: spec, move)
            let unseen = await failure { try await moves.check(spec.id, move, offer) }
            if case .refused = unseen {} else { Issue.record("\(String(describing: unseen))") }
            let alien = await failure {
                try await moves.check(spec.id, move, MovePackage(version: 9, data: [1]))
            }
            if case .refused = alien {} else { Issue.record("\(String(describing: alien))") }
            try await destination.capabilities.hostMaintenance?.setMaintenance(true, pool.call)
            let closed = await failure { try await coming.offer(for: spec, move) }
            if case .refused = closed {} else { Issue.record("\(String(describing: closed))") }
        }
    }

    @Test func aHostIsEmptiedForMaintenanceAndTurnedOff() async throws {
        try await Pool.with(["--hosts", "2"]) { pool in
            let (source, destination) = (try await pool.driver(host: 0), try await pool.driver(host: 1))
            let spec = pool.spec(try pool.rawImage())
            _ = try await source.spawn(spec, pool.call)
            let control = try #require(source.capabilities.hostMaintenance)
            for _ in 1...2 { try await control.setMaintenance(true, pool.call) }
            #expect(try await control.isInMaintenance())
            #expect(try await destination.guests().map(\.id) == [spec.id])
            for _ in 1...2 { try await control.setMaintenance(false, pool.call) }
            #expect(try await !control.isInMaintenance())
            // The control domain of the simulated host is a machine that stays, as on a real one that is not off.
            let power = await failure { try await source.capabilities.hostPower?.reboot() }
            if case .refused = power {} else { Issue.record("\(String(describing: power))") }
            #expect(try await !control.isInMaintenance())
        }
    }

    @Test func aLoneHostWithGuestsRefusesMaintenance() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let control = try #require(driver.capabilities.hostMaintenance)
            let error = await failure { try await control.setMaintenance(true, pool.call) }
            if case .refused = error {} else { Issue.record("\(String(describing: error))") }
            #expect(try await !control.isInMaintenance())
            #expect(try await driver.powerState(of: spec.id) == .running)
        }
    }

    @Test func guestsOfADeadHostComeUpOnAnother() async throws {
        try await Pool.with(["--hosts", "2"]) { pool in
            let (source, destination) = (try await pool.driver(host: 0), try await pool.driver(host: 1))
            let spec = pool.spec(try pool.rawImage(node: "node-2"))
            _ = try await destination.spawn(spec, pool.call)
            let adopting = try #require(source.capabilities.evacuation)
            #expect(try await adopting.holdsDisks(of: spec.id))
            let alive = await failure { try await adopting.adopt(spec, pool.call) }
            if case .refused = alive {} else { Issue.record("\(String(describing: alive))") }
            let address = String(
                try #require(pool.simulator.urls[1].split(separator: "/").last?.split(separator: ":").first))
            try pool.simulator.steer("dead-host", ["address": address])
            _ = try await adopting.adopt(spec, pool.call)
            #expect(try await source.powerState(of: spec.id) == .running)
            try await destination.capabilities.evacuation?.forget(spec.id, pool.call)
            #expect(try await source.powerState(of: spec.id) == .running)
            #expect(try await !adopting.holdsDisks(of: .random()))
        }
    }
}

import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// Listing guests, finding them again, and foreign ones.
    static let coreRecoverCases: [ConformanceCase] = {
        var list = CaseList()
        addListCases(&list)
        addRecoverCases(&list)
        addRestartCases(&list)
        addForeignCases(&list)
        return list.cases
    }()

    private static func addListCases(_ list: inout CaseList) {
        list.add(
            "core.guests", .guestInfo, "The list has each guest once, with a name, its state, and as ours",
            guests: 0, shared: .reads, quick: true
        ) { bench in
            let guest = try bench.sharedGuest()
            let all = try await bench.guests()
            try check(Set(all.map(\.id)).count == all.count, "the list has a guest twice")
            let found = try unwrap(all.first { $0.id == guest.id }, "the list lacks a guest")
            try check(found.isOurs, "a guest of ours is listed as foreign")
            try check(!found.name.isEmpty, "a guest is listed without a name")
            try check(found.power == .running, "a running guest is listed as \(found.power)")
        }
        list.add("core.guests.two", .guestInfo, "The list has both of two guests", guests: 2) { bench in
            let (first, second) = (try await bench.spawn(), try await bench.spawn())
            let listed = Set(try await bench.guests().map(\.id))
            try check(listed.isSuperset(of: [first.id, second.id]), "the list lacks one of two guests")
        }
        list.add(
            "core.guests.after-destroy", .guestInfo, "A destroyed guest leaves the list, and only it does", guests: 2
        ) { bench in
            let (first, second) = (try await bench.spawn(), try await bench.spawn())
            try await bench.driver.destroy(first.id, bench.call())
            let listed = Set(try await bench.guests().map(\.id))
            try check(!listed.contains(first.id), "a destroyed guest is listed")
            try check(listed.contains(second.id), "another guest left the list")
        }
    }

    private static func addRecoverCases(_ list: inout CaseList) {
        list.add(
            "core.recover.nothing", .guestInfo, "Recovering from no handles finds nothing", guests: 0, shared: .reads
        ) { bench in
            let driver = bench.driver
            let found = try await doing("recover") { try await driver.recover([:]) }
            try check(found.isEmpty, "recover invents \(found.count) guests")
        }
        list.add(
            "core.recover.found", .guestInfo, "Guests whose handles are kept are found, running or off", guests: 2
        ) { bench in
            let (first, second) = (try await bench.spawn(), try await bench.spawn())
            try await bench.driver.powerOff(second.id, within: .zero, bench.call())
            let found = try await bench.driver.recover([first.id: first.handle, second.id: second.handle])
            try check(Set(found.keys) == [first.id, second.id], "of two guests recover found \(found.count)")
            try await bench.expectPower([.running], of: first.id, "after recover")
            try await bench.expectPower([.shutdown], of: second.id, "after recover")
        }
        list.add(
            "core.recover.gone", .guestInfo, "The handle of a guest that is gone is left out of the answer", guests: 2
        ) { bench in
            let (gone, kept) = (try await bench.spawn(), try await bench.spawn())
            try await bench.driver.destroy(gone.id, bench.call())
            let found = try await bench.driver.recover([gone.id: gone.handle, kept.id: kept.handle])
            try check(found[gone.id] == nil, "recover found a guest that is gone")
            try check(found[kept.id] != nil, "recover did not find a guest that is there")
        }
        list.add(
            "core.recover.twice", .guestInfo, "Recovering again from the handles that it returned finds the same guests"
        ) { bench in
            let guest = try await bench.spawn()
            let first = try await bench.driver.recover([guest.id: guest.handle])
            let handle = try unwrap(first[guest.id], "recover did not find the guest")
            let second = try await bench.driver.recover([guest.id: handle])
            try check(second[guest.id] != nil, "recover does not know a handle that it returned")
        }
        list.add(
            "core.recover.unknown-handles", .guestInfo, "Handles of guests that never were are left out of the answer",
            guests: 0, shared: .reads
        ) { bench in
            let shared = try bench.sharedGuest()
            var handles: [GuestID: GuestHandle] = [shared.id: shared.handle]
            for version in 0..<5 { handles[.random()] = GuestHandle(version: version * 1000, data: [0, 255, 13]) }
            let (driver, asked) = (bench.driver, handles)
            let found = try await doing("recover with strange handles") { try await driver.recover(asked) }
            try check(Set(found.keys) == [shared.id], "recover found \(found.count) guests where there is one")
        }
        list.add("core.recover.harmless", .guestInfo, "Recovering changes no guest", guests: 2) { bench in
            let (first, second) = (try await bench.spawn(), try await bench.spawn())
            try await bench.driver.powerOff(second.id, within: .zero, bench.call())
            let before = (try await bench.observe(first.id), try await bench.observe(second.id))
            _ = try await bench.driver.recover([first.id: first.handle])
            try await bench.expectUnchanged(first.id, since: before.0, "after recover")
            // The agent may have lost a handle; that is no order to remove the guest.
            try await bench.expectUnchanged(second.id, since: before.1, "after recover without its handle")
        }
    }

    private static func addRestartCases(_ list: inout CaseList) {
        list.add(
            "core.restart.guests-run-on", .guestInfo, "Guests run on while the driver is shut down and started again",
            quick: true
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let found = try await bench.node.restart()
            try check(found[guest.id] != nil, "after a restart recover does not find the guest")
            try await bench.expectUnchanged(guest.id, since: before, "after a restart of the driver")
        }
        list.add("core.restart.twice", .guestInfo, "Guests are found after two restarts, also one that is off") {
            bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.node.restart()
            let found = try await bench.node.restart()
            try check(found[guest.id] != nil, "after two restarts recover does not find the guest")
            try await bench.expectPower([.shutdown], of: guest.id, "after two restarts")
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after powerOn")
        }
        list.add("core.restart.numbers", .launch, "Numbers are remembered across restarts") { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.node.restart()
            let driver = bench.driver
            try await expectError([.stale], from: "a late powerOn after a restart") {
                try await driver.powerOn(guest.id, guest.call.before)
            }
            try await bench.expectPower([.shutdown], of: guest.id, "after a late powerOn")
        }
        list.add(
            "core.restart.destroyed-between", .guestInfo,
            "A guest that is destroyed before a restart stays away after it", guests: 1
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.destroy(guest.id, bench.call())
            let found = try await bench.node.restart()
            try check(found[guest.id] == nil, "after a restart recover finds a destroyed guest")
            try await bench.expectAbsent(guest.id, "after a restart")
        }
        list.add(
            "core.restart.streams-end", .guestInfo, "Shutting the driver down ends its streams", guests: 0
        ) { bench in
            let driver = bench.driver
            let (health, inventory, events) = (driver.health(), driver.inventory(), driver.events())
            await bench.node.shutDown()
            try await bench.within(.seconds(10), "the end of the streams after shutDown") {
                for await _ in health {}
                for await _ in inventory {}
                for await _ in events {}
            }
        }
    }

    private static func addForeignCases(_ list: inout CaseList) {
        list.add(
            "core.foreign.listed", .guestInfo, "A guest that is not ours is listed as foreign", parts: [.foreignGuests],
            guests: 0
        ) { bench in
            let guest = try await bench.foreignGuest()
            let found = try await bench.guests().filter { $0.id == guest }
            try check(found.count == 1, "a foreign guest is listed \(found.count) times")
            try check(found.first?.isOurs == false, "a foreign guest is listed as ours")
        }
        list.add(
            "core.foreign.not-recovered", .guestInfo, "Recovering and restarting leave a foreign guest alone",
            parts: [.foreignGuests]
        ) { bench in
            let guest = try await bench.foreignGuest()
            _ = try await bench.spawn()
            let found = try await bench.node.restart()
            try check(found[guest] == nil, "recover returned a foreign guest")
            let power = try await bench.subject.foreignGuests?.power(of: guest)
            try check(power == .running, "after a restart the foreign guest no longer runs")
        }
        list.add(
            "core.foreign.beside", .guestInfo, "The life of a guest of ours does nothing to a foreign one",
            parts: [.foreignGuests]
        ) { bench in
            let foreign = try await bench.foreignGuest()
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.driver.destroy(guest.id, bench.call())
            let power = try await bench.subject.foreignGuests?.power(of: foreign)
            try check(power == .running, "the foreign guest no longer runs")
        }
    }
}

extension DriverCall {
    /// A call with the number before this one's.
    var before: DriverCall { DriverCall(operation: operation - 1, requestID: requestID) }
}

import ComputeModel
import DriverAPI

extension ConformanceCase {
    /// What guests write, and interactive consoles.
    static let consoleCases: [ConformanceCase] = {
        var list = CaseList()
        addLogCases(&list)
        for (kind, feature) in [
            (ConsoleKind.vnc, FeatureKey.vnc), (.spice, .spice), (.serial, .serialInteractive), (.mks, nil),
        ] {
            addConsoleCases(kind, feature, &list)
        }
        return list.cases
    }()

    private static func addLogCases(_ list: inout CaseList) {
        let needs = [ConformanceNeed.capability(.consoleLog)]
        list.add(
            "console-log", .serialLog, "What a guest writes when it boots can be read", needs: needs, guests: 0,
            shared: .reads, quick: true
        ) { bench in
            let (guest, reader) = (try bench.sharedGuest(), try bench.consoleLog())
            try await bench.eventually("a guest writes something to its console", within: .seconds(60)) {
                try await !reader.consoleLog(of: guest.id, bytesMax: 1 << 20).isEmpty
            }
        }
        list.add(
            "console-log.limit", .serialLog, "No more bytes than asked for are returned, and they are the last ones",
            needs: needs
        ) { bench in
            let (guest, reader) = (try await bench.spawn(), try bench.consoleLog())
            try await bench.eventually("a guest writes something to its console", within: .seconds(60)) {
                try await reader.consoleLog(of: guest.id, bytesMax: 1 << 20).count > 20
            }
            // A guest that is off writes no more.
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let all = try await reader.consoleLog(of: guest.id, bytesMax: 1 << 20)
            for limit in [all.count, all.count / 2, 10, 1, 0] {
                let some = try await reader.consoleLog(of: guest.id, bytesMax: limit)
                try check(some.count <= limit, "\(some.count) bytes of a log were returned where \(limit) were wanted")
                try check(some == Array(all.suffix(limit)), "the \(limit) bytes returned are not the last of the log")
            }
        }
        list.add(
            "console-log.reboot", .serialLog, "The log keeps what was written before a reboot and grows", needs: needs
        ) { bench in
            let (guest, reader) = (try await bench.spawn(), try bench.consoleLog())
            try await bench.eventually("a guest writes something to its console", within: .seconds(60)) {
                try await reader.consoleLog(of: guest.id, bytesMax: 1 << 20).count > 20
            }
            let before = try await reader.consoleLog(of: guest.id, bytesMax: 1 << 20)
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.eventually("a rebooted guest writes more to its console", within: .seconds(60)) {
                let after = try await reader.consoleLog(of: guest.id, bytesMax: 1 << 20)
                return after.count > before.count && after.firstRange(of: before.prefix(20)) != nil
            }
        }
        list.add("console-log.restart", .serialLog, "The log lasts when the driver is restarted", needs: needs) {
            bench in
            let guest = try await bench.spawn()
            let reader = try bench.consoleLog()
            try await bench.eventually("a guest writes something to its console", within: .seconds(60)) {
                try await reader.consoleLog(of: guest.id, bytesMax: 1 << 20).count > 20
            }
            let before = try await reader.consoleLog(of: guest.id, bytesMax: 20)
            try await bench.node.restart()
            let after = try await bench.consoleLog().consoleLog(of: guest.id, bytesMax: 1 << 20)
            try check(after.firstRange(of: before) != nil, "after a restart the log lacks what was in it")
        }
        list.add(
            "console-log.own", .serialLog, "A guest's log has nothing of another guest's", needs: needs
        ) { bench in
            let (first, reader) = (try await bench.spawn(), try bench.consoleLog())
            try await bench.driver.destroy(first.id, bench.call())
            try await expectError([.noSuchGuest], from: "reading the log of a destroyed guest") {
                _ = try await reader.consoleLog(of: first.id, bytesMax: 100)
            }
        }
        list.add(
            "console-log.absent-guest", .serialLog, "The log of an absent guest is an error that says so", needs: needs,
            guests: 0
        ) { bench in
            let (reader, guest) = (try bench.consoleLog(), GuestID.random())
            let error = try await expectError([.noSuchGuest], from: "reading the log of an absent guest") {
                _ = try await reader.consoleLog(of: guest, bytesMax: 100)
            }
            try check(error == .noSuchGuest(guest), "reading the log of an absent guest names another guest")
        }
    }

    private static func addConsoleCases(_ kind: ConsoleKind, _ feature: FeatureKey?, _ list: inout CaseList) {
        let name = "consoles.\(kind.rawValue)"
        let needs = [ConformanceNeed.capability(.consoles), .console(kind)]
        list.add(
            name, feature, "A running guest has a \(kind.rawValue) console that takes connections", needs: needs,
            guests: 0, shared: .reads, quick: kind == .vnc
        ) { bench in
            let address = try await bench.consoles().console(kind, of: bench.sharedGuest().id)
            try await bench.expectConnection(to: address, kind)
        }
        list.add(
            name + ".after-reboot", feature, "The \(kind.rawValue) console is there after a reboot too", needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            _ = try await bench.consoles().console(kind, of: guest.id)
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            let address = try await bench.consoles().console(kind, of: guest.id)
            try await bench.expectConnection(to: address, kind)
        }
        list.add(
            name + ".stopped", feature, "A stopped guest has no \(kind.rawValue) console", needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let consoles = try bench.consoles()
            try await expectError([.refused], from: "asking for the console of a stopped guest") {
                _ = try await consoles.console(kind, of: guest.id)
            }
        }
        list.add(
            name + ".absent-guest", feature, "An absent guest's \(kind.rawValue) console is an error that says so",
            needs: needs, guests: 0
        ) { bench in
            let (consoles, guest) = (try bench.consoles(), GuestID.random())
            try await expectError([.noSuchGuest], from: "asking for the console of an absent guest") {
                _ = try await consoles.console(kind, of: guest)
            }
        }
        list.add(
            name + ".not-declared", feature, "A \(kind.rawValue) console that is not declared is not supported",
            needs: [.capability(.consoles)], guests: 0, shared: .reads
        ) { bench in
            let consoles = try bench.consoles()
            let guest = try bench.sharedGuest()
            guard !consoles.kinds.contains(kind) else { throw CaseSkip.notShown("the driver declares it") }
            try await expectError([.notSupported], from: "asking for a console that is not declared") {
                _ = try await consoles.console(kind, of: guest.id)
            }
            throw CaseSkip.notDeclared("the driver does not declare console-\(kind.rawValue)")
        }
    }
}

extension Bench {
    func consoleLog() throws -> any ConsoleLogReading { try unwrap(capabilities.consoleLog, "no console log") }
    func consoles() throws -> any OfferingConsoles { try unwrap(capabilities.consoles, "no consoles") }

    /// Fails the case unless something listens there, and speaks the right protocol where that can be told.
    func expectConnection(to address: ConsoleAddress, _ kind: ConsoleKind) async throws {
        try check(!address.host.isEmpty, "the console's address has no host")
        let port = address.port == 0 ? address.tlsPort ?? 0 : address.port
        try check((1...65535).contains(port), "the console's port is \(port)")
        // What speaks first on a plain connection: only the server of RFB.
        let speaks = kind == .vnc && address.port != 0 && address.internalPath == nil
        let answer = try await TCPProbe.exchange(
            host: address.host, port: port, reading: speaks ? 12 : 0, within: limits.scaled(.seconds(10)))
        guard speaks else { return }
        let text = String(decoding: answer, as: UTF8.self)
        try check(text.hasPrefix("RFB 003.") && text.hasSuffix("\n"), "the VNC console says '\(text)', not its version")
    }
}

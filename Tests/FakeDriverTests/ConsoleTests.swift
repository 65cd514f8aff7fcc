import ComputeModel
import DriverAPI
import Foundation
import Testing

@testable import FakeDriver

/// Consoles that somebody can connect to.
@Suite(.timeLimit(.minutes(1))) struct ConsoleTests {
    private let driver: any ComputeDriver
    private let consoles: any OfferingConsoles
    private let guest = GuestID.random()

    init() async throws {
        driver = try await Node().start()
        consoles = try #require(driver.capabilities.consoles)
    }

    private func connect(_ kind: ConsoleKind) async throws -> Connection {
        let address = try await consoles.console(kind, of: guest)
        return try #require(Connection(host: address.host, port: address.port, limitSeconds: 10))
    }

    @Test func theSerialPortSaysBackWhatItHears() async throws {
        _ = try await driver.spawn(.test(guest), .number(1))
        let line = try await connect(.serial)
        #expect(line.write(Array("hello\r".utf8)))
        #expect(line.read(exactly: 6) == Array("hello\r".utf8))
        // A second session at the same time.
        let second = try await connect(.serial)
        #expect(second.write([1]) && second.read(exactly: 1) == [1])
        try await driver.powerOff(guest, within: .zero, .number(2))
        #expect(line.read() == nil)
        #expect(await failure { _ = try await consoles.console(.serial, of: guest) } == "refused")
        await driver.shutDown()
    }

    @Test func theScreenSpeaksRFB() async throws {
        _ = try await driver.spawn(.test(guest), .number(1))
        let screen = try await connect(.vnc)
        #expect(screen.read(exactly: 12) == Array("RFB 003.008\n".utf8))
        #expect(screen.write(Array("RFB 003.008\n".utf8)))
        #expect(screen.read(exactly: 2) == [1, 1])
        #expect(screen.write([1]) && screen.read(exactly: 4) == [0, 0, 0, 0])
        #expect(screen.write([1]))
        let hello = try #require(screen.read(exactly: 24))
        #expect(Array(hello[0..<4]) == [0, 160, 0, 120] && Array(hello[20..<24]) == [0, 0, 0, 2])
        #expect(screen.read(exactly: 2) == Array("vm".utf8))
        // Encodings, a key, the pointer, pasted text; then the whole picture.
        #expect(screen.write([2, 0, 0, 1, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 65, 5, 0, 0, 1, 0, 1]))
        #expect(screen.write([6, 0, 0, 0, 0, 0, 0, 2, 65, 66, 3, 0, 0, 0, 0, 0, 0, 160, 0, 120]))
        let frame = try #require(screen.read(exactly: 16))
        #expect(frame == [0, 0, 0, 1, 0, 0, 0, 0, 0, 160, 0, 120, 0, 0, 0, 0])
        let picture = try #require(screen.read(exactly: 160 * 120 * 4))
        #expect(Array(picture.prefix(4)) == [128, 64, 32, 0])
        // In 16 bits, big-endian.
        #expect(screen.write([0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0]))
        #expect(screen.write([3, 0, 0, 0, 0, 0, 0, 160, 0, 120]))
        #expect(screen.read(exactly: 16 + 160 * 120 * 2)?.suffix(2) == [0x19, 0xef])
        await driver.shutDown()
        #expect(screen.read() == nil)
    }

    @Test func onlyWhatThereIsIsOffered() async throws {
        #expect(consoles.kinds == [.vnc, .serial])
        #expect(await failure { _ = try await consoles.console(.vnc, of: guest) } == "noSuchGuest")
        _ = try await driver.spawn(.test(guest), .number(1))
        #expect(await failure { _ = try await consoles.console(.spice, of: guest) } == "notSupported")
        #expect(await failure { _ = try await consoles.console(.mks, of: guest) } == "notSupported")
        let other = try await Node(["spice_console": "192.0.2.9:5900"]).start()
        let spice = try #require(other.capabilities.consoles)
        _ = try await other.spawn(.test(guest), .number(1))
        #expect(spice.kinds.contains(.spice))
        #expect(try await spice.console(.spice, of: guest) == ConsoleAddress(host: "192.0.2.9", port: 5900))
    }
}

/// A guest's screen over RFB 3.8, without authentication: one colour, which never changes.
struct RemoteFrameBuffer: Sendable {
    static let (width, height) = (160, 120)
    /// Longest text that a client may paste.
    private static let cutTextMax = 1 << 20

    /// Shown by clients as the title.
    let name: String

    /// How a client wants pixels.
    private struct PixelFormat {
        var bytes = 4
        var isBigEndian = false
        var maxima: [UInt32] = [255, 255, 255]
        var shifts: [UInt32] = [16, 8, 0]

        /// The format as it goes over the wire.
        var wire: [UInt8] {
            [UInt8(bytes * 8), 24, isBigEndian ? 1 : 0, 1] + maxima.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
                + shifts.map { UInt8($0) } + [0, 0, 0]
        }

        init() {}

        /// `nil` for formats with a palette or of a strange size.
        init?(wire: [UInt8]) {
            guard wire.count == 16, [8, 16, 32].contains(wire[0]), wire[3] != 0 else { return nil }
            bytes = Int(wire[0]) / 8
            isBigEndian = wire[2] != 0
            maxima = [4, 6, 8].map { UInt32(wire[$0]) << 8 | UInt32(wire[$0 + 1]) }
            shifts = [10, 11, 12].map { UInt32(wire[$0]) & 31 }
        }

        /// A pixel of the given colour, each part 0 to 255.
        func pixel(_ colour: [UInt32]) -> [UInt8] {
            var value: UInt32 = 0
            for index in 0..<3 { value |= (colour[index] * maxima[index] / 255) << shifts[index] }
            let little = (0..<bytes).map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) }
            return isBigEndian ? little.reversed() : little
        }
    }

    func serve(_ connection: Connection) {
        guard shakeHands(connection) else { return }
        var format = PixelFormat()
        while let kind = connection.read(exactly: 1)?.first {
            guard answer(kind, connection, &format) else { return }
        }
    }

    private func shakeHands(_ connection: Connection) -> Bool {
        guard connection.write(Array("RFB 003.008\n".utf8)), connection.read(exactly: 12) != nil else { return false }
        // One kind of security is offered: none.
        guard connection.write([1, 1]), connection.read(exactly: 1) == [1] else { return false }
        guard connection.write([0, 0, 0, 0]), connection.read(exactly: 1) != nil else { return false }
        let title = Array(name.utf8)
        return connection.write(
            Self.two(Self.width) + Self.two(Self.height) + PixelFormat().wire + Self.four(title.count) + title)
    }

    /// Whether the conversation goes on after a message of that kind.
    private func answer(_ kind: UInt8, _ connection: Connection, _ format: inout PixelFormat) -> Bool {
        switch kind {
        case 0:
            guard let rest = connection.read(exactly: 19), let wanted = PixelFormat(wire: Array(rest.dropFirst(3)))
            else { return false }
            format = wanted
            return true
        case 2:
            guard let rest = connection.read(exactly: 3) else { return false }
            let count = Int(rest[1]) << 8 | Int(rest[2])
            return count == 0 || connection.read(exactly: 4 * count) != nil
        case 3:
            guard let rest = connection.read(exactly: 9) else { return false }
            // Nothing changes, so that only a whole picture is ever due.
            return rest[0] != 0 || connection.write(picture(format))
        case 4: return connection.read(exactly: 7) != nil
        case 5: return connection.read(exactly: 5) != nil
        case 6:
            guard let rest = connection.read(exactly: 7) else { return false }
            let count = rest[3...].reduce(0) { $0 << 8 | Int($1) }
            return count <= Self.cutTextMax && (count == 0 || connection.read(exactly: count) != nil)
        default: return false
        }
    }

    private func picture(_ format: PixelFormat) -> [UInt8] {
        let pixel = format.pixel([32, 64, 128])
        var bytes: [UInt8] = [0, 0] + Self.two(1)
        bytes += Self.two(0) + Self.two(0) + Self.two(Self.width) + Self.two(Self.height) + Self.four(0)
        for _ in 0..<Self.width * Self.height { bytes += pixel }
        return bytes
    }

    private static func two(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
    private static func four(_ value: Int) -> [UInt8] { two(value >> 16) + two(value) }
}

import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// Says where the consoles of running guests are.
struct Consoles: OfferingConsoles {
    let driver: LibvirtDriver

    var kinds: Set<ConsoleKind> {
        var kinds: Set<ConsoleKind> = []
        if driver.options.graphics.contains("vnc") { kinds.insert(.vnc) }
        if driver.options.graphics.contains("spice") { kinds.insert(.spice) }
        if driver.options.serialConsole { kinds.insert(.serial) }
        return kinds
    }

    func console(_ kind: ConsoleKind, of guest: GuestID) async throws(DriverError) -> ConsoleAddress {
        let document: GuestDocument? = try await driver.session.read(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
            return domain.isActive ? GuestDocument(try domain.xml(.live)) : nil
        }
        guard let document else { throw .refused("guest \(guest) does not run, so it has no console now") }
        guard let found = Self.address(kind, in: document, reachedAt: driver.options.consoleAddress) else {
            throw .notSupported("a \(kind.rawValue) console: guest \(guest) has none")
        }
        return found
    }

    /// The console's address in a live document.
    ///
    /// - Parameter proxied: address at which proxies reach this node; `nil` for where the server listens.
    static func address(
        _ kind: ConsoleKind, in document: GuestDocument, reachedAt proxied: String?
    ) -> ConsoleAddress? {
        let devices = document.root.child("devices")
        func host(_ listened: String?) -> String {
            let everywhere = [nil, "", "0.0.0.0", "::"].contains(listened)
            return proxied ?? (everywhere ? "127.0.0.1" : listened ?? "127.0.0.1")
        }
        switch kind {
        case .vnc, .spice:
            guard let graphics = devices?.children("graphics").first(where: { $0["type"] == kind.rawValue }) else {
                return nil
            }
            let ports = (plain: port(graphics["port"]), tls: port(graphics["tlsPort"]))
            guard ports.plain != nil || ports.tls != nil else { return nil }
            return ConsoleAddress(
                host: host(graphics["listen"]), port: ports.plain ?? 0, tlsPort: ports.tls,
                secret: graphics["passwd"])
        case .serial:
            let serial = devices?.children("serial").first { $0["type"] == "tcp" }
            guard let source = serial?.child("source"), let port = port(source["service"]) else { return nil }
            return ConsoleAddress(host: host(source["host"]), port: port)
        case .mks: return nil
        }
    }

    private static func port(_ text: String?) -> Int? {
        guard let port = text.flatMap({ Int($0) }), port > 0 else { return nil }
        return port
    }
}

/// Chooses ports for guests' serial consoles.
enum SerialPorts {
    /// A port of the range that no definition below the directory names and that nothing listens on.
    static func choose(
        _ range: ClosedRange<Int>, except taken: Set<Int>, address: String, instancesPath: String
    ) -> Int? {
        var used = taken
        for name in namesInDirectory(instancesPath) where name.count >= 36 {
            guard let text = try? readText("\(instancesPath)/\(name)/domain.xml", bytesMax: 1 << 20),
                let document = try? XMLReader.parse(text)
            else { continue }
            for serial in document.child("devices")?.children("serial") ?? [] {
                if let port = serial.child("source")?["service"].flatMap({ Int($0) }) { used.insert(port) }
            }
        }
        return range.first { !used.contains($0) && isFree($0, address) }
    }

    private static func isFree(_ port: Int, _ address: String) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = in_port_t(UInt16(clamping: port).bigEndian)
        inet_pton(AF_INET, address, &place.sin_addr)
        return withUnsafePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

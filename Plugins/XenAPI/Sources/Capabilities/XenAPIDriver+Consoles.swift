import ComputeModel
import DriverAPI

extension XenAPIDriver: OfferingConsoles {
    var kinds: Set<ConsoleKind> { [.vnc] }

    func console(_ kind: ConsoleKind, of guest: GuestID) async throws(DriverError) -> ConsoleAddress {
        guard kind == .vnc else { throw .notSupported("XenAPI nodes have consoles of kind vnc only.") }
        let machine = try await ourMachine(guest)
        guard machine.state == "Running" || machine.state == "Paused" else {
            throw .refused("The server does not run, so it has no console.")
        }
        for reference in machine.record["consoles"].texts {
            let record = try await client.call(
                "console.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "find a console")
            guard let record, record["protocol"].text == "rfb" else { continue }
            return try await address(of: record["location"].text)
        }
        throw .notSupported("The server has no console of kind vnc.")
    }

    /// The location is a URL to which a CONNECT request leads; the session must be written into it.
    private func address(of location: String) async throws(DriverError) -> ConsoleAddress {
        guard let endpoint = XenEndpoint(location) else {
            throw .failed("XenAPI names '\(location)' as a console, which is no address")
        }
        let session = try await client.session()
        let begin = location.dropFirst(location.hasPrefix("https") ? 8 : 7)
        let path = begin.firstIndex(of: "/").map { String(begin[$0...]) } ?? "/console"
        let joint = path.contains("?") ? "&" : "?"
        return ConsoleAddress(
            host: endpoint.host, port: endpoint.isSecure ? 0 : endpoint.port,
            tlsPort: endpoint.isSecure ? endpoint.port : nil,
            internalPath: "\(path)\(joint)session_id=\(session.reference)")
    }
}

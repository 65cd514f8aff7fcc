import ComputeModel
import DriverAPI

/// Shows guests' screens: by tickets for WebMKS, and on hosts before 7.0 also by the VNC server that each guest has.
struct Consoles: OfferingConsoles {
    let kinds: Set<ConsoleKind>
    private let parts: DriverParts

    init(_ parts: DriverParts, hasVNC: Bool) {
        self.parts = parts
        kinds = hasVNC ? [.vnc, .mks] : [.mks]
    }

    func console(_ kind: ConsoleKind, of guest: GuestID) async throws(DriverError) -> ConsoleAddress {
        let driver = try parts.driver()
        return try await driver.read(guest) { (machine) async throws(VimFailure) in
            guard kinds.contains(kind) else {
                throw .driver(.notSupported("\(kind.rawValue) consoles on this vCenter"))
            }
            guard machine.power == .running else {
                throw .driver(.refused("guest \(guest) does not run; it has no console"))
            }
            if kind == .mks { return try await ticket(machine, driver) }
            guard let text = machine.extra[VNCPorts.key], let port = Int(text), let host = machine.host else {
                throw .driver(.notSupported("a VNC console for guest \(guest), which was made without one"))
            }
            let name = driver.watch.mirror.hosts.first { $0.reference == host }?.name
            guard let name else { throw .driver(.failed("the host of guest \(guest) is not known")) }
            return ConsoleAddress(host: name, port: port, secret: machine.extra[VNCPorts.passwordKey])
        }
    }

    private func ticket(_ machine: Machine, _ driver: VMwareDriver) async throws(VimFailure) -> ConsoleAddress {
        let answer = try await driver.client.call(
            "AcquireTicket", machine.reference, [XMLElement("ticketType", "webmks")])
        guard let ticket = answer["returnval"], let secret = ticket.string("ticket"), !secret.isEmpty else {
            throw .driver(.failed("vCenter gave no ticket for the console of \(machine.name)"))
        }
        return ConsoleAddress(
            host: ticket.string("host") ?? driver.client.endpoint.host, port: 0, tlsPort: ticket.int("port") ?? 443,
            internalPath: "/ticket/\(secret)", secret: secret)
    }
}

/// Hands out ports for VNC servers. Guests move between hosts, so a port belongs to one guest in the whole cluster.
actor VNCPorts {
    static let key = "RemoteDisplay.vnc.port"
    static let passwordKey = "RemoteDisplay.vnc.password"
    private var given: Set<Int> = []

    /// The first port that no guest has, and that was not given away since this process began.
    func next(_ taken: Set<Int>, _ range: Range<Int>) -> Int? {
        let free = range.first { !taken.contains($0) && !given.contains($0) } ?? range.first { !taken.contains($0) }
        if let free { given.insert(free) }
        return free
    }
}

extension VMwareDriver {
    /// What makes a machine have a VNC server, where hosts have such a thing.
    func vncOptions() async throws(VimFailure) -> [XMLElement] {
        guard client.content.apiNumbers < (7, 0) else { return [] }
        let query = PropertyQuery.cluster(cluster.reference, ["VirtualMachine": ["config.extraConfig"]])
        var taken: Set<Int> = []
        for machine in try await client.retrieve(query, pageMax: options.objectsMax) {
            for option in machine["config.extraConfig"]?.children ?? [] where option.string("key") == VNCPorts.key {
                if let port = option.int("value") { taken.insert(port) }
            }
        }
        let range = options.vncPort..<min(65536, options.vncPort + options.vncPortTotal)
        guard let port = await vncPorts.next(taken, range) else {
            throw .driver(
                .insufficientResources(
                    "all \(range.count) ports that [vmware] vnc_port and vnc_port_total give are taken"))
        }
        var extra = [
            GuestRecord.option("RemoteDisplay.vnc.enabled", "TRUE"), GuestRecord.option(VNCPorts.key, String(port)),
        ]
        if let password = options.vncPassword { extra.append(GuestRecord.option(VNCPorts.passwordKey, password)) }
        return extra
    }
}

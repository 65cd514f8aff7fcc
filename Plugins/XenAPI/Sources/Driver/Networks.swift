import ComputeModel
import DriverAPI

/// The networks that interfaces join.
struct Networks: Sendable {
    let client: XenClient
    /// The option `integration_bridge`.
    let option: String?

    /// The server gives a machine no more.
    static let interfacesMax = 7

    /// The network of an interface: the integration network where there is one, else that of its binding, by bridge,
    /// name or identifier; without a name in the binding, by the identifier that the network service knows it by.
    ///
    /// A user chooses the name that the network service knows a network by, so it selects nothing here.
    ///
    /// - Throws: ``DriverError/notSupported(_:)`` for a bridge of this host, ``DriverError/refused(_:)`` when there is
    ///   no such network.
    func find(for interface: NetworkInterfaceSpec) async throws(DriverError) -> String {
        let name: String
        switch interface.binding {
        case .network(let given): name = given
        case .unbound: name = interface.networkID.description
        case .bridge: throw .notSupported(Self.noBridges(interface))
        }
        let records = try await client.call("network.get_all_records", [], "list networks").map
            .sorted { $0.value["uuid"].text < $1.value["uuid"].text }
        func first(_ matches: (XenValue) -> Bool) -> String? { records.first { matches($0.value) }?.key }
        if let option {
            if let found = first({ $0["bridge"].text == option || $0["name_label"].text == option }) { return found }
            throw .refused(
                "The pool has no network with the bridge or name \(option) ([xenserver] integration_bridge).")
        }
        if let found = first({ [$0["name_label"].text, $0["bridge"].text, $0["uuid"].text].contains(name) }) {
            return found
        }
        throw .refused(
            "The pool has no network for port \(interface.portID): none has the name, bridge or UUID \(name), and "
                + "[xenserver] integration_bridge is not set.")
    }

    private static func noBridges(_ interface: NetworkInterfaceSpec) -> String {
        "port \(interface.portID) is bound to a bridge of this host, which guests of a pool do not reach"
    }

    /// Gives a machine an interface.
    ///
    /// - Parameter device: its number; `nil` for the first free one.
    /// - Returns: the interface.
    func add(
        _ interface: NetworkInterfaceSpec, to machine: String, on network: String, device: Int?
    ) async throws(DriverError) -> String {
        var place = device.map { "\($0)" }
        if place == nil {
            let free = try await client.call(
                "VM.get_allowed_VIF_devices", [.text(machine)], "find a place for an interface"
            ).texts
            guard let first = free.compactMap({ Int($0) }).min() else {
                throw .insufficientResources("the guest has no place for a further interface")
            }
            place = "\(first)"
        }
        var marks = [Mark.port: interface.portID.description]
        if let tag = interface.tag { marks[Mark.tag] = tag }
        return try await client.call(
            "VIF.create",
            [
                [
                    "VM": .text(machine), "network": .text(network), "device": .text(place ?? "0"),
                    "MAC": .text(interface.macAddress), "MTU": .text("\(interface.mtu)"),
                    "other_config": XenValue(marks),
                    "locking_mode": "network_default", "ipv4_allowed": [], "ipv6_allowed": [],
                    "qos_algorithm_type": "", "qos_algorithm_params": [:], "qos_supported_algorithms": [],
                ]
            ], "give the guest an interface"
        ).text
    }
}

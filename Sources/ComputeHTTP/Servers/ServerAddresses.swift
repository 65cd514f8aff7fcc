import WireJSON

/// A server's addresses by network, as the record keeps them: in the form of the longest answer.
struct ServerAddresses {
    private let networks: JSONObject

    /// - Parameter text: the record's JSON; what cannot be read counts as no addresses.
    init(_ text: String) { networks = (try? JSONParser.parse(Array(text.utf8)))?.object ?? JSONObject() }

    /// Without kind and hardware address, as the list of addresses shows them.
    var plain: JSONObject { JSONObject(networks.members.map { ($0.key, Self.plain($0.value)) }) }

    /// The addresses on one network; nil when the server is not on it.
    func plain(on network: String) -> JSONValue? { networks[network].map(Self.plain) }

    private static func plain(_ addresses: JSONValue) -> JSONValue {
        .array(
            (addresses.array ?? []).map { address in
                ["version": address["version"] ?? .null, "addr": address["addr"] ?? .null]
            })
    }
}

package import ComputeModel

/// The names of what the agent makes. Device names have at most 15 characters, so identifiers are cut to 11.
package enum HostNames {
    /// The bridge of a tenant network.
    package static func bridge(_ network: NetworkID) -> String { "brq" + short(network) }
    /// The bridge of an external network.
    package static func externalBridge(_ network: NetworkID) -> String { "brx" + short(network) }
    /// The namespace in which a network's addresses and metadata are served.
    package static func serviceNamespace(_ network: NetworkID) -> String { "kn-net-" + short(network) }
    /// The host's end of the cable into that namespace.
    package static func serviceCable(_ network: NetworkID) -> String { "knd" + short(network) }
    /// The namespace of a router.
    package static func routerNamespace(_ router: RouterID) -> String { "kn-rtr-" + short(router) }
    /// The host's end of the cable from a router into an external network.
    package static func gatewayCable(_ router: RouterID) -> String { "knx" + short(router) }
    /// The host's end of the cable from a router into a tenant network.
    package static func routerCable(_ router: RouterID, _ network: NetworkID) -> String {
        "knr" + Fingerprint.text(of: "\(router) \(network)").prefix(11)
    }
    /// A router's end of that cable.
    package static func routerLeg(_ network: NetworkID) -> String { "leg" + short(network) }
    /// A router's end of its cable into the external network.
    package static let routerGateway = "gateway"
    /// The namespace's end of a service cable.
    package static let serviceLink = "eth0"
    /// The device of a guest's port, made by the hypervisor.
    package static func tap(_ port: PortID) -> String { "tap" + short(port) }

    /// Whether a namespace of this name is made by an agent like this one.
    static func isNamespaceOfOurs(_ name: String) -> Bool { name.hasPrefix("kn-net-") || name.hasPrefix("kn-rtr-") }

    static func short<Kind>(_ id: Identifier<Kind>) -> String { String(id.description.prefix(11)) }
}

/// A 64-bit digest (FNV-1a) that tells texts of our own making apart. No defence against intent.
package enum Fingerprint {
    /// The digest of the text.
    package static func of(_ text: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }

    /// The digest as 16 hexadecimal digits.
    package static func text(of text: String) -> String {
        let digits = String(of(text), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// What the worker needs of the kernel. Each is tried out in a scratch namespace before anything is changed.
package enum HostFeature: String, Hashable, Sendable, CaseIterable {
    case bridges = "bridges and virtual cables"
    case bridgeRules = "nft rules in the bridge family"
    case connectionTracking = "connection tracking with zones in nft"
    case translation = "address translation in nft"
    case framesInForwardHook = "br_netfilter, which shows bridged frames to the forward hook"
    case connectionTrackingOnBridges = "connection tracking in the bridge family"

    /// What to do when it is missing.
    package var remedy: String {
        switch self {
        case .bridges: "load the modules: modprobe bridge veth."
        case .bridgeRules:
            "load the modules: modprobe nf_tables nft_meta_bridge, or use a kernel with NF_TABLES_BRIDGE."
        case .connectionTracking: "load the modules: modprobe nf_conntrack nft_ct, or use a kernel with NFT_CT."
        case .translation: "load the modules: modprobe nft_nat nft_masq, or use a kernel with NFT_NAT."
        case .framesInForwardHook: "load the module: modprobe br_netfilter."
        case .connectionTrackingOnBridges: "nothing has to be done: br_netfilter is used instead."
        }
    }

    /// Whether networks work without it.
    package var isOptional: Bool { self == .connectionTrackingOnBridges }
}

/// What this host can do.
package struct HostFeatures: Sendable {
    /// What is missing, with what the kernel or the tool said.
    package let missing: [HostFeature: String]
    /// Whether the kernel has IPv6.
    package let hasIPv6: Bool

    /// Tries everything out, each in a network namespace that ends with the command.
    static func probe(_ command: HostCommand) async -> HostFeatures {
        var missing: [HostFeature: String] = [:]
        for feature in HostFeature.allCases {
            do {
                switch feature {
                case .framesInForwardHook: try await probeFrames(command)
                case .bridges:
                    let lines = "link add kn0 type bridge nf_call_iptables 1\nlink add kn1 type veth peer name kn2\n"
                    try await command.run(["unshare", "--net", "ip", "-batch", "-"], input: lines)
                default:
                    try await command.run(["unshare", "--net", "nft", "-f", "-"], input: feature.trial + "\n")
                }
            } catch { missing[feature] = error.complaint.isEmpty ? "\(error)" : error.complaint }
        }
        let hasIPv6 = NamespaceSetting.read("net/ipv6/conf/all/forwarding", in: command.place.networkNamespace) != nil
        return HostFeatures(missing: missing, hasIPv6: hasIPv6)
    }

    private static func probeFrames(_ command: HostCommand) async throws(HostCommandFailure) {
        let setting = "net/bridge/bridge-nf-call-iptables"
        let namespace = command.place.networkNamespace
        if NamespaceSetting.read(setting, in: namespace) != nil { return }
        try await command.run(["modprobe", "br_netfilter"])
        if NamespaceSetting.read(setting, in: namespace) == nil {
            throw HostCommandFailure(
                command: "modprobe br_netfilter", reason: .status(0), complaint: "it had no effect")
        }
    }
}

extension HostFeature {
    /// Rules that are accepted only where the feature is there.
    fileprivate var trial: String {
        switch self {
        case .bridges, .framesInForwardHook: ""
        case .bridgeRules:
            """
            table bridge trial {
                map origins { type ifname : verdict; elements = { "tap" : goto guest } }
                chain guest {
                    ether saddr . arp saddr ip != { 02:00:00:00:00:01 . 10.0.0.1 } drop
                    ether saddr . ip saddr { 02:00:00:00:00:01 . 10.0.0.0/24 } meta mark set 0x00020000 accept
                }
                chain arriving { type filter hook prerouting priority filter; iifname vmap @origins; }
                chain passing { type filter hook forward priority filter; meta mark set meta mark | 0x1; }
            }
            """
        case .connectionTracking:
            """
            table inet trial {
                map origins { type mark : verdict; elements = { 0x00010000 : accept } }
                chain zones { type filter hook prerouting priority raw; ct zone set iifname map { "br" : 7 }; }
                chain passing {
                    type filter hook forward priority filter;
                    ct state established,related accept
                    meta mark & 0xffff0000 vmap @origins
                }
            }
            """
        case .translation:
            """
            table ip trial {
                map inside { type ipv4_addr : ipv4_addr; elements = { 192.0.2.1 : 10.0.0.1 } }
                chain arriving { type nat hook prerouting priority dstnat; dnat to ip daddr map @inside; }
                chain leaving { type nat hook postrouting priority srcnat; ct status dnat snat to 192.0.2.1; }
            }
            table inet trial { chain leaving { type nat hook postrouting priority srcnat; oifname "x" masquerade; }; }
            """
        case .connectionTrackingOnBridges:
            """
            table bridge trial {
                chain passing { type filter hook forward priority filter; ct state established accept; }
            }
            """
        }
    }
}

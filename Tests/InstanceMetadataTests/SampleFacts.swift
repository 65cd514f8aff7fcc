import ComputeModel
import WireJSON

@testable import InstanceMetadata

/// A server with everything, and one with nothing.
enum Sample {
    static let id = InstanceID("11111111-2222-4333-8444-555555555555")!
    static let network = NetworkID("aaaaaaaa-2222-4333-8444-555555555555")!
    static let port = PortID("bbbbbbbb-2222-4333-8444-555555555555")!
    static let subnet = SubnetID("cccccccc-2222-4333-8444-555555555555")!
    static let now = Timestamp(iso8601: "2026-08-21T10:00:00Z")!

    static var plain: InstanceMetadataFacts {
        InstanceMetadataFacts(
            id: id, name: "My demo", hostname: "my-demo", projectID: "p1", reservationID: "r-abcdefgh",
            flavorName: "m1.tiny")
    }

    static var full: InstanceMetadataFacts {
        var facts = plain
        facts.domain = "novalocal"
        facts.availabilityZone = "nova"
        facts.imageID = ImageID("dddddddd-2222-4333-8444-555555555555")
        facts.metadata = ["role": "web", "app": "shop"]
        facts.key = .init(name: "mykey", data: "ssh-ed25519 AAAA me")
        facts.userData = Array("#!/bin/sh\n\u{e9}".utf8) + [0xff, 0]
        facts.interfaces = [interface(dhcp: true)]
        facts.securityGroups = ["default", "web"]
        facts.devices = [
            .init(
                .nic(mac: "fa:16:3e:00:00:01", vlan: 7, isTrusted: true), bus: "pci", address: "0000:00:02.0",
                tags: ["t"]),
            .init(.disk(serial: "s", path: "/dev/sda"), tags: ["d"]), .init(.share(id: "sh", tag: "x"), tags: []),
            .init(.nic(mac: "fa:16:3e:00:00:02", vlan: nil, isTrusted: false), tags: []),
        ]
        facts.dedicatedCPUs = [3, 1]
        facts.blockDevices = ["ami": "vda", "root": "/dev/vda"]
        facts.adminPassword = "secret"
        facts.vendorData = ["site": "north"]
        return facts
    }

    static func interface(dhcp: Bool) -> NetworkInterfaceSpec {
        NetworkInterfaceSpec(
            portID: port, networkID: network, networkName: "net", macAddress: "fa:16:3e:00:00:01", mtu: 1450,
            binding: .bridge(bridge: "br", tap: "tapbbbbbbbb-22"),
            addresses: [
                FixedAddress(
                    address: "10.0.0.5", subnetID: subnet, cidr: "10.0.0.0/22", gateway: "10.0.0.1",
                    nameServers: ["8.8.8.8", "8.8.8.8"],
                    routes: [HostRoute(destination: "192.168.7.9/16", nextHop: "10.0.0.9")], dhcp: dhcp),
                FixedAddress(
                    address: "fd00::5", subnetID: subnet, cidr: "fd00::/64", gateway: "fd00::1",
                    nameServers: ["fd00::53"], dhcp: dhcp),
            ])
    }

    static func documents(_ facts: InstanceMetadataFacts) -> InstanceDocuments {
        InstanceDocuments(facts, now: now) { [UInt8](repeating: 0, count: 512) }
    }
}

extension InstanceDocuments {
    /// The text at a path; nil when there is nothing.
    func text(_ path: String) -> String? { bytes(path).map { String(decoding: $0, as: UTF8.self) } }

    func bytes(_ path: String) -> [UInt8]? {
        switch find(path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)) {
        case .document(let document), .directory(let document): document.bytes
        case .password, .notFound: nil
        }
    }

    func json(_ path: String) throws -> JSONValue { try JSONParser.parse(bytes(path) ?? []) }
}

/// Everything a driver needs to make a guest.
public struct GuestSpec: Hashable, Codable, Sendable {
    /// The guest; also the SMBIOS system UUID that it sees.
    public var id: GuestID
    /// The server's display name, for people looking at the hypervisor.
    public var name: String
    /// The project that owns the server.
    public var projectID: String
    /// The user who made the server.
    public var userID: String
    /// Sizes.
    public var flavor: FlavorSpec
    /// The image that the root disk starts from; `nil` when booting from a volume.
    public var image: ImageSpec?
    /// Interfaces in the order in which the guest shall see them.
    public var interfaces: [NetworkInterfaceSpec]
    /// Volumes, in order; one with boot index 0 takes the place of the root disk.
    public var volumes: [VolumeSpec]
    /// The files of the configuration drive by their path; `nil` for no drive.
    public var configDrive: [String: [UInt8]]?
    /// The server's metadata, for drivers that act on it (the fake driver's rehearsed failures).
    public var metadata: [String: String]
    /// Where its processors and memory lie; `nil` leaves it to the hypervisor.
    public var topology: GuestTopology?
    /// Addresses of the node's devices that the guest gets for itself.
    public var pciDevices: [String]
    /// Whether the guest shall run afterwards; false leaves it defined and off, as a stopped server was.
    public var isRunning: Bool

    /// The volume that the guest boots from; `nil` when it boots from its root disk.
    public var bootVolume: VolumeSpec? { volumes.first { $0.bootIndex == 0 } }

    /// A specification with the given parts.
    public init(
        id: GuestID, name: String, projectID: String, userID: String, flavor: FlavorSpec, image: ImageSpec?,
        interfaces: [NetworkInterfaceSpec], volumes: [VolumeSpec] = [], configDrive: [String: [UInt8]]? = nil,
        metadata: [String: String] = [:], topology: GuestTopology? = nil, pciDevices: [String] = [],
        isRunning: Bool = true
    ) {
        self.id = id
        self.name = name
        self.projectID = projectID
        self.userID = userID
        self.flavor = flavor
        self.image = image
        self.interfaces = interfaces
        self.volumes = volumes
        self.configDrive = configDrive
        self.metadata = metadata
        self.topology = topology
        self.pciDevices = pciDevices
        self.isRunning = isRunning
    }
}

/// The sizes of a guest: a snapshot of the flavor at the time of the request.
public struct FlavorSpec: Hashable, Codable, Sendable {
    /// The identifier users see (`flavorid`), not always a UUID.
    public var flavorID: String
    /// Name.
    public var name: String
    /// Virtual processors.
    public var vcpus: Int
    /// Memory in MiB.
    public var memoryMiB: Int
    /// Root disk in GiB; 0 means as large as the image.
    public var rootGiB: Int
    /// Second, empty disk in GiB; 0 for none.
    public var ephemeralGiB: Int
    /// Swap disk in MiB; 0 for none.
    public var swapMiB: Int
    /// Extra specifications.
    public var extraSpecs: [String: String]

    /// A flavor with the given sizes.
    public init(
        flavorID: String, name: String, vcpus: Int, memoryMiB: Int, rootGiB: Int, ephemeralGiB: Int = 0,
        swapMiB: Int = 0, extraSpecs: [String: String] = [:]
    ) {
        self.flavorID = flavorID
        self.name = name
        self.vcpus = vcpus
        self.memoryMiB = memoryMiB
        self.rootGiB = rootGiB
        self.ephemeralGiB = ephemeralGiB
        self.swapMiB = swapMiB
        self.extraSpecs = extraSpecs
    }

    /// What the guest takes from placement: disk is root + ephemeral + swap, rounded up to GiB.
    ///
    public var resources: [ResourceClass: Int] {
        var amounts: [ResourceClass: Int] = [.vcpu: vcpus, .memoryMiB: memoryMiB]
        let disk = rootGiB + ephemeralGiB + (swapMiB + 1023) / 1024
        if disk > 0 { amounts[.diskGiB] = disk }
        return amounts
    }
}

/// An image as the image service describes it.
public struct ImageSpec: Hashable, Codable, Sendable {
    /// The image.
    public var id: ImageID
    /// Name.
    public var name: String
    /// Declared format of the disk: `qcow2`, `raw`, …
    public var diskFormat: String
    /// Declared container: `bare`, …
    public var containerFormat: String
    /// Size of the file in bytes.
    public var sizeBytes: Int64
    /// MD5 of the file, hexadecimal, where known.
    public var checksum: String?
    /// Name of the stronger hash (`sha512`) and its hexadecimal value, where known.
    public var hashAlgorithm: String?
    /// Value of the stronger hash.
    public var hashValue: String?
    /// Least root disk in GiB.
    public var minDiskGiB: Int
    /// Least memory in MiB.
    public var minMemoryMiB: Int
    /// Properties that steer the hypervisor (`hw_disk_bus`, …) and any others.
    public var properties: [String: String]
    /// Certificates one of which must have signed the image; empty for no wish. The host checks the signature when
    /// it fetches the image.
    public var trustedCertificates: [String]

    /// An image with the given facts.
    public init(
        id: ImageID, name: String, diskFormat: String, containerFormat: String, sizeBytes: Int64,
        checksum: String? = nil, hashAlgorithm: String? = nil, hashValue: String? = nil, minDiskGiB: Int = 0,
        minMemoryMiB: Int = 0, properties: [String: String] = [:], trustedCertificates: [String] = []
    ) {
        self.id = id
        self.name = name
        self.diskFormat = diskFormat
        self.containerFormat = containerFormat
        self.sizeBytes = sizeBytes
        self.checksum = checksum
        self.hashAlgorithm = hashAlgorithm
        self.hashValue = hashValue
        self.minDiskGiB = minDiskGiB
        self.minMemoryMiB = minMemoryMiB
        self.properties = properties
        self.trustedCertificates = trustedCertificates
    }
}

/// One network interface of a guest, already prepared on the host.
public struct NetworkInterfaceSpec: Hashable, Codable, Sendable {
    /// The port.
    public var portID: PortID
    /// Its network.
    public var networkID: NetworkID
    /// Name of the network.
    public var networkName: String
    /// Hardware address, lower case with colons.
    public var macAddress: String
    /// Largest packet, in bytes.
    public var mtu: Int
    /// How the port is wired.
    public var binding: PortBinding
    /// Addresses that the guest will have.
    public var addresses: [FixedAddress]
    /// A name that the guest can find in its metadata.
    public var tag: String?

    /// An interface with the given facts.
    public init(
        portID: PortID, networkID: NetworkID, networkName: String, macAddress: String, mtu: Int,
        binding: PortBinding, addresses: [FixedAddress], tag: String? = nil
    ) {
        self.portID = portID
        self.networkID = networkID
        self.networkName = networkName
        self.macAddress = macAddress
        self.mtu = mtu
        self.binding = binding
        self.addresses = addresses
        self.tag = tag
    }
}

/// How a guest's interface meets the host's network.
public enum PortBinding: Hashable, Codable, Sendable {
    /// A tap device of that name joins a Linux bridge.
    case bridge(bridge: String, tap: String)
    /// A network that the hypervisor has itself, for hypervisors that are not this host: a port group, a network of a
    /// pool. The name is the physical network that the network service tells of, else the network's identifier; users
    /// choose neither. What joins where no network has that name is the driver's to say, by an option of its own.
    case network(name: String)
    /// Nothing on the host: the hypervisor has no network of its own to join (the fake driver).
    case unbound

    /// The kinds of binding that a driver can serve.
    public enum Kind: String, Codable, CaseIterable, Sendable {
        case bridge
        case network
        case unbound
    }

    /// Which kind this is.
    public var kind: Kind {
        switch self {
        case .bridge: .bridge
        case .network: .network
        case .unbound: .unbound
        }
    }
}

/// An address of a port.
public struct FixedAddress: Hashable, Codable, Sendable {
    /// The address, IPv4 or IPv6.
    public var address: String
    /// Its subnet.
    public var subnetID: SubnetID
    /// The subnet's prefix, `10.0.0.0/24`.
    public var cidr: String
    /// The subnet's gateway.
    public var gateway: String?
    /// Name servers.
    public var nameServers: [String]
    /// Further routes: destination and next hop.
    public var routes: [HostRoute]
    /// Whether the network service hands the address out by DHCP.
    public var dhcp: Bool

    /// An address with the given facts.
    public init(
        address: String, subnetID: SubnetID, cidr: String, gateway: String?, nameServers: [String] = [],
        routes: [HostRoute] = [], dhcp: Bool = true
    ) {
        self.address = address
        self.subnetID = subnetID
        self.cidr = cidr
        self.gateway = gateway
        self.nameServers = nameServers
        self.routes = routes
        self.dhcp = dhcp
    }
}

/// A route that a subnet gives to its guests.
public struct HostRoute: Hashable, Codable, Sendable {
    /// Destination prefix.
    public var destination: String
    /// Next hop.
    public var nextHop: String
    /// A route.
    public init(destination: String, nextHop: String) { (self.destination, self.nextHop) = (destination, nextHop) }
}

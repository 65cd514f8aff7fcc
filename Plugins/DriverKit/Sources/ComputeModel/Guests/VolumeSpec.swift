/// A block device of the volume service as a guest shall see it.
public struct VolumeSpec: Hashable, Codable, Sendable {
    /// The volume; also the serial number by which the guest finds the device. A driver finds its device by this
    /// identifier, never by a path, which may have been given to another volume since.
    public var id: VolumeID
    /// How the host or the hypervisor reaches it.
    public var connection: VolumeConnection
    /// Size in GiB.
    public var sizeGiB: Int
    /// Name that the user asked for, `/dev/vdb`; a wish where the hypervisor names devices by itself.
    public var deviceName: String?
    /// Bus that the guest sees (`virtio`, `scsi`, `ide`, `sata`); `nil` for the driver's choice.
    public var bus: String?
    /// A name that the guest can find in its metadata.
    public var tag: String?
    /// 0 for the device to boot from, further numbers in order; `nil` for data.
    public var bootIndex: Int?
    /// Whether the guest may only read.
    public var isReadOnly: Bool
    /// Whether other guests may hold it at the same time: no cache may keep writes back.
    public var isShared: Bool
    /// Limits on its input and output.
    public var limits: DiskLimits
    /// Encryption that the hypervisor, not the guest, undoes; `nil` for none.
    public var encryption: VolumeEncryption?

    /// A volume with the given facts.
    public init(
        id: VolumeID, connection: VolumeConnection, sizeGiB: Int, deviceName: String? = nil, bus: String? = nil,
        tag: String? = nil, bootIndex: Int? = nil, isReadOnly: Bool = false, isShared: Bool = false,
        limits: DiskLimits = DiskLimits(), encryption: VolumeEncryption? = nil
    ) {
        self.id = id
        self.connection = connection
        self.sizeGiB = sizeGiB
        self.deviceName = deviceName
        self.bus = bus
        self.tag = tag
        self.bootIndex = bootIndex
        self.isReadOnly = isReadOnly
        self.isShared = isShared
        self.limits = limits
        self.encryption = encryption
    }
}

/// How a volume is reached. The cases are what the volume service's `connection_info` says, typed.
public enum VolumeConnection: Hashable, Codable, Sendable {
    /// A file on a file system that the host has mounted; `format` is `raw` or `qcow2`.
    case file(path: String, format: String)
    /// A block device of the host.
    case block(path: String)
    /// An iSCSI target.
    case iscsi(ISCSITarget)
    /// A Ceph block device.
    case rbd(RBDImage)
    /// A file of an NFS export, reached without a mount: `server:/export`, `volume-…`, `raw` or `qcow2`.
    case nfs(export: String, file: String, format: String)
    /// A network block device.
    case nbd(host: String, port: Int, export: String)
    /// A disk that VMware's volume driver keeps as the only disk of a shadow virtual machine.
    case vmdk(machine: String, datastore: String?)

    /// The kinds of connection, by the volume service's names (`driver_volume_type`).
    public enum Kind: String, Codable, CaseIterable, Sendable {
        case file
        case block
        case iscsi
        case rbd
        case nfs
        case nbd
        case vmdk
    }

    /// Which kind this is.
    public var kind: Kind {
        switch self {
        case .file: .file
        case .block: .block
        case .iscsi: .iscsi
        case .rbd: .rbd
        case .nfs: .nfs
        case .nbd: .nbd
        case .vmdk: .vmdk
        }
    }
}

/// An iSCSI logical unit.
public struct ISCSITarget: Hashable, Codable, Sendable {
    /// Address and port, `192.0.2.1:3260`.
    public var portal: String
    /// Name of the target, `iqn.2010-10.org.openstack:volume-…`.
    public var name: String
    /// Number of the logical unit.
    public var lun: Int
    /// CHAP user; `nil` for a target that asks for none.
    public var user: String?
    /// CHAP password. Never logged.
    public var password: String?

    /// A logical unit.
    public init(portal: String, name: String, lun: Int, user: String? = nil, password: String? = nil) {
        (self.portal, self.name, self.lun, self.user, self.password) = (portal, name, lun, user, password)
    }
}

/// A Ceph block device.
public struct RBDImage: Hashable, Codable, Sendable {
    /// Pool.
    public var pool: String
    /// Image within the pool.
    public var image: String
    /// Monitors, `host:port`.
    public var monitors: [String]
    /// Ceph user.
    public var user: String
    /// The user's key, base 64; `nil` where the host is configured with it. Never logged.
    public var key: String?

    /// A block device.
    public init(pool: String, image: String, monitors: [String], user: String, key: String? = nil) {
        (self.pool, self.image, self.monitors, self.user, self.key) = (pool, image, monitors, user, key)
    }
}

/// How a volume's content is encrypted.
public struct VolumeEncryption: Hashable, Codable, Sendable {
    /// `luks` or `plain`.
    public var provider: String
    /// The passphrase, as the key manager gave it. Never logged.
    public var passphrase: [UInt8]

    /// An encryption.
    public init(provider: String, passphrase: [UInt8]) { (self.provider, self.passphrase) = (provider, passphrase) }
}

/// Limits on a disk's input and output; `nil` for none.
public struct DiskLimits: Hashable, Codable, Sendable {
    public var readBytesPerSecond: Int64?
    public var writeBytesPerSecond: Int64?
    public var totalBytesPerSecond: Int64?
    public var readOperationsPerSecond: Int64?
    public var writeOperationsPerSecond: Int64?
    public var totalOperationsPerSecond: Int64?

    /// No limits.
    public init() {}

    /// Whether nothing is limited.
    public var isEmpty: Bool { self == DiskLimits() }
}

/// What a volume service must know of a host before it can give it a volume.
public struct VolumeConnector: Hashable, Codable, Sendable {
    /// The host's name.
    public var host: String
    /// The host's address.
    public var ip: String
    /// iSCSI initiator name; `nil` when it has none.
    public var initiator: String?
    /// NVMe qualified name; `nil` when it has none.
    public var nqn: String?
    /// Fibre channel port names.
    public var portNames: [String]
    /// Whether several paths to one volume are joined.
    public var multipath: Bool
    /// Kinds of connection that the driver takes.
    public var kinds: Set<VolumeConnection.Kind>

    /// A connector.
    public init(
        host: String, ip: String, initiator: String? = nil, nqn: String? = nil, portNames: [String] = [],
        multipath: Bool = false, kinds: Set<VolumeConnection.Kind>
    ) {
        self.host = host
        self.ip = ip
        self.initiator = initiator
        self.nqn = nqn
        self.portNames = portNames
        self.multipath = multipath
        self.kinds = kinds
    }
}

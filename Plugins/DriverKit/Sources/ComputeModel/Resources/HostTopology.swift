/// The processors and memory of a node by NUMA cell, and its passed-through devices. Reported by drivers that can pin.
public struct HostTopology: Hashable, Codable, Sendable {
    /// The cells, by ascending number.
    public var cells: [HostCell]
    /// Devices that guests can have for themselves.
    public var pciDevices: [PCIDevice]

    /// A topology.
    public init(cells: [HostCell], pciDevices: [PCIDevice] = []) { (self.cells, self.pciDevices) = (cells, pciDevices) }
}

/// One NUMA cell of a node.
public struct HostCell: Hashable, Codable, Sendable {
    /// Its number.
    public var id: Int
    /// Its processors.
    public var cpus: Set<Int>
    /// Groups of processors that share a core.
    public var siblings: [Set<Int>]
    /// Memory in MiB.
    public var memoryMiB: Int
    /// Pages of each size in KiB that exist.
    public var pages: [Int: Int]

    /// A cell.
    public init(id: Int, cpus: Set<Int>, siblings: [Set<Int>] = [], memoryMiB: Int, pages: [Int: Int] = [:]) {
        self.id = id
        self.cpus = cpus
        self.siblings = siblings
        self.memoryMiB = memoryMiB
        self.pages = pages
    }
}

/// A device that a guest can have for itself.
public struct PCIDevice: Hashable, Codable, Sendable {
    /// `0000:81:00.1`.
    public var address: String
    /// Vendor, four hexadecimal digits.
    public var vendorID: String
    /// Product, four hexadecimal digits.
    public var productID: String
    /// `type-PCI`, `type-PF` or `type-VF`, as Nova calls them.
    public var kind: String
    /// Its NUMA cell; `nil` where unknown.
    public var cell: Int?

    /// A device.
    public init(address: String, vendorID: String, productID: String, kind: String, cell: Int? = nil) {
        (self.address, self.vendorID, self.productID, self.kind, self.cell) = (address, vendorID, productID, kind, cell)
    }
}

/// Where a guest's processors and memory lie, decided when it was placed.
public struct GuestTopology: Hashable, Codable, Sendable {
    /// One NUMA cell as the guest sees it.
    public struct Cell: Hashable, Codable, Sendable {
        /// The cell of the node.
        public var hostCell: Int
        /// The guest's processors in it.
        public var vcpus: [Int]
        /// Memory in MiB.
        public var memoryMiB: Int
        /// Page size in KiB; `nil` for the usual one.
        public var pageKiB: Int?
        /// The processor of the node that each of the guest's is bound to; empty where they float.
        public var pinned: [Int: Int]

        /// A cell.
        public init(hostCell: Int, vcpus: [Int], memoryMiB: Int, pageKiB: Int? = nil, pinned: [Int: Int] = [:]) {
            self.hostCell = hostCell
            self.vcpus = vcpus
            self.memoryMiB = memoryMiB
            self.pageKiB = pageKiB
            self.pinned = pinned
        }
    }
    /// The guest's cells in order.
    public var cells: [Cell]
    /// Processors of the node for the hypervisor's own threads; empty for no wish.
    public var emulatorCPUs: Set<Int>

    /// A topology.
    public init(cells: [Cell], emulatorCPUs: Set<Int> = []) { (self.cells, self.emulatorCPUs) = (cells, emulatorCPUs) }
}

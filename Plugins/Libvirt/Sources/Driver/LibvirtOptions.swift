import DriverAPI

/// The options of `[libvirt]` that this driver reads. Names are Nova's where the meaning is Nova's.
struct LibvirtOptions: Sendable {
    /// How guests run: `auto` decides by what the host really offers.
    enum VirtTypeChoice: String, Sendable { case auto, kvm, qemu }
    /// Form of root disks.
    enum ImagesType: String, Sendable { case qcow2, raw }

    var virtType: VirtTypeChoice = .auto
    var connectionURI = "qemu:///system"
    var cpuMode: String?
    var cpuModels: [String] = []
    var imagesType: ImagesType = .qcow2
    var forceRawImages = true
    /// Cache mode of file disks; `nil`: none where the file system can, else writeback.
    var diskCacheMode: String?
    /// Machine type by architecture.
    var machineTypes: [String: String] = [:]
    var rngDevicePath = "/dev/urandom"
    var instancesPath: String
    var consoleLogBytesMax = 4 << 20
    var consoleLogFilesMax = 3
    /// Address on which graphical consoles listen, and at which proxies reach this node where that differs.
    var consoleListen = "127.0.0.1"
    var consoleAddress: String?
    /// Kinds of graphical console: `vnc`, `spice`.
    var graphics = ["vnc"]
    var serialConsole = false
    var serialPorts = 10_000...20_000
    var detachAttempts = 8
    var detachTimeout: Duration = .seconds(20)
    /// Slots for devices, also for those that come later, on machines with PCI Express.
    var expressPorts = 16
    /// This node's address for the volume service.
    var myAddress = "127.0.0.1"
    /// How other nodes reach this one for live migration.
    var migrationAddress: String?
    var migrationURI: String?
    var migrationEncrypts = false
    var qemuImgCPUSecondsMax = 30
    var qemuImgAddressSpaceGiB = 2
    var conversionTimeout: Duration = .seconds(1800)
    var imageVirtualGiBMax = 1024
    var mkisofsCommand = "genisoimage"
    var reservedMemoryMiB = 512
    var reservedDiskMiB = 0
    var reservedCPUs = 0
    var cpuAllocationRatio = 4.0
    var memoryAllocationRatio = 1.0
    var diskAllocationRatio = 1.0
    var inventoryInterval: Duration = .seconds(60)

    /// The defaults, with guests below a directory.
    init(instancesPath: String) { self.instancesPath = instancesPath }

    /// Values from the configuration, checked against each other.
    ///
    /// - Throws: ``DriverError/badConfiguration(_:)`` naming group, option, value and remedy.
    init(_ configuration: DriverConfiguration, stateDirectory: String) throws(DriverError) {
        self.init(instancesPath: configuration.string("instances_path") ?? "\(stateDirectory)/instances")
        guard instancesPath.hasPrefix("/") else {
            throw .badConfiguration("[libvirt] instances_path = \(instancesPath) must be an absolute path")
        }
        func whole(_ name: String, _ value: inout Int) { value = configuration.integer(name) ?? value }
        func number(_ name: String, _ value: inout Double) { value = configuration.number(name) ?? value }
        func text(_ name: String, _ value: inout String) {
            if let given = configuration.string(name), !given.isEmpty { value = given }
        }
        virtType = configuration.string("virt_type").flatMap { VirtTypeChoice(rawValue: $0) } ?? virtType
        text("connection_uri", &connectionURI)
        cpuMode = configuration.string("cpu_mode")
        cpuModels = configuration.list("cpu_models")
        imagesType = ["raw", "flat"].contains(configuration.string("images_type")) ? .raw : .qcow2
        if configuration.string("force_raw_images") != nil {
            forceRawImages = configuration.boolean("force_raw_images")
        }
        text("rng_dev_path", &rngDevicePath)
        whole("console_log_max_bytes", &consoleLogBytesMax)
        whole("console_log_max_files", &consoleLogFilesMax)
        text("server_listen", &consoleListen)
        consoleAddress = configuration.string("server_proxyclient_address").flatMap { $0.isEmpty ? nil : $0 }
        if configuration.string("graphics") != nil { graphics = configuration.list("graphics") }
        serialConsole = configuration.boolean("serial_console")
        whole("device_detach_attempts", &detachAttempts)
        detachTimeout = configuration.number("device_detach_timeout").map { .seconds($0) } ?? detachTimeout
        whole("num_pcie_ports", &expressPorts)
        text("my_ip", &myAddress)
        migrationAddress = configuration.string("live_migration_inbound_addr").flatMap { $0.isEmpty ? nil : $0 }
        migrationURI = configuration.string("live_migration_uri").flatMap { $0.isEmpty ? nil : $0 }
        migrationEncrypts = configuration.boolean("live_migration_with_native_tls")
        whole("images_cpu_time_limit", &qemuImgCPUSecondsMax)
        whole("images_address_space_limit", &qemuImgAddressSpaceGiB)
        conversionTimeout = configuration.number("image_conversion_timeout").map { .seconds($0) } ?? conversionTimeout
        whole("image_virtual_size_max", &imageVirtualGiBMax)
        text("mkisofs_cmd", &mkisofsCommand)
        whole("reserved_host_memory_mb", &reservedMemoryMiB)
        whole("reserved_host_disk_mb", &reservedDiskMiB)
        whole("reserved_host_cpus", &reservedCPUs)
        number("cpu_allocation_ratio", &cpuAllocationRatio)
        number("ram_allocation_ratio", &memoryAllocationRatio)
        number("disk_allocation_ratio", &diskAllocationRatio)
        inventoryInterval = configuration.number("inventory_interval").map { .seconds($0) } ?? inventoryInterval
        try readPairs(configuration)
        try readConsoles(configuration)
        try checkCPU()
    }

    private mutating func readPairs(_ configuration: DriverConfiguration) throws(DriverError) {
        for entry in configuration.list("hw_machine_type") {
            let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, !parts[1].isEmpty else {
                throw .badConfiguration(
                    "[libvirt] hw_machine_type = \(entry) must have the form arch=machine, such as x86_64=pc")
            }
            machineTypes[parts[0]] = parts[1]
        }
        let modes = ["default", "none", "writethrough", "writeback", "directsync", "unsafe"]
        for entry in configuration.list("disk_cachemodes") {
            let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[0] == "file", modes.contains(parts[1]) else {
                throw .badConfiguration(
                    "[libvirt] disk_cachemodes = \(entry) must have the form file=MODE with a mode of "
                        + modes.joined(separator: ", "))
            }
            diskCacheMode = parts[1]
        }
    }

    private mutating func readConsoles(_ configuration: DriverConfiguration) throws(DriverError) {
        for kind in graphics where !["vnc", "spice"].contains(kind) {
            throw .badConfiguration("[libvirt] graphics = \(kind) must be a list of vnc and spice")
        }
        if let text = configuration.string("serial_port_range") {
            let ends = text.split(separator: ":").compactMap { Int($0) }
            guard ends.count == 2, ends[0] > 0, ends[0] <= ends[1], ends[1] < 65_536 else {
                throw .badConfiguration("[libvirt] serial_port_range = \(text) must have the form 10000:20000")
            }
            serialPorts = ends[0]...ends[1]
        }
    }

    private func checkCPU() throws(DriverError) {
        if cpuMode == "custom", cpuModels.isEmpty {
            throw .badConfiguration("[libvirt] cpu_mode = custom needs a model in [libvirt] cpu_models")
        }
        if cpuMode != "custom", !cpuModels.isEmpty {
            throw .badConfiguration(
                "[libvirt] cpu_models = \(cpuModels.joined(separator: ",")) has no meaning unless cpu_mode = custom")
        }
        if virtType == .qemu, cpuMode == "host-passthrough" {
            throw .badConfiguration(
                "[libvirt] cpu_mode = host-passthrough needs KVM, but virt_type = qemu; choose host-model or none")
        }
    }
}

import DriverAPI

/// The options of `[xen]`.
struct XenOptions: Sendable {
    /// How guests are virtualized whose image does not say; `nil`: PVH where the hardware can, else PV.
    var guestType: XenGuest.Kind?
    /// A kernel for all paravirtual guests instead of the image's own; `nil` for the boot loader below.
    var kernel: String?
    var ramdisk: String?
    var commandLine: String?
    /// Boot loaders that run in the guest and start what its image has.
    var pvBootLoader = "/usr/lib/grub-xen/grub-x86_64-xen.bin"
    var pvhBootLoader = "/usr/lib/grub-xen/grub-i386-xen_pvh.bin"
    var instancesPath: String
    /// Where xenconsoled writes guests' consoles; `nil` finds out.
    var consoleLogDirectory: String?
    var mkisofsCommand = "genisoimage"
    var imageVirtualGiBMax = 1024
    var imageConversionTimeout = Duration.seconds(1800)
    /// How long a guest is asked to let itself be suspended.
    var suspendTimeout = Duration.seconds(120)
    var vncListen = "127.0.0.1"
    var reservedMemoryMiB = 512
    var reservedDiskMiB = 0
    var reservedCPUs = 0
    var cpuAllocationRatio = 4.0
    var memoryAllocationRatio = 1.0
    var diskAllocationRatio = 1.0
    var inventoryInterval = Duration.seconds(60)

    /// Reads the host's values.
    ///
    /// - Throws: ``DriverError/badConfiguration(_:)`` with option, value and remedy.
    init(_ values: DriverConfiguration, stateDirectory: String) throws(DriverError) {
        func path(_ name: String) throws(DriverError) -> String? {
            guard let value = values.string(name), !value.isEmpty else { return nil }
            guard value.hasPrefix("/"), !value.split(separator: "/").contains("..") else {
                throw .badConfiguration("[xen] \(name) = \(value): give an absolute path without '..'")
            }
            return value
        }
        guestType = values.string("guest_type").flatMap { XenGuest.Kind(rawValue: $0) }
        (kernel, ramdisk) = (try path("kernel"), try path("ramdisk"))
        commandLine = values.string("command_line")
        pvBootLoader = try path("pv_boot_loader") ?? pvBootLoader
        pvhBootLoader = try path("pvh_boot_loader") ?? pvhBootLoader
        instancesPath = try path("instances_path") ?? "\(stateDirectory)/instances"
        consoleLogDirectory = try path("console_log_directory")
        mkisofsCommand = values.string("mkisofs_cmd") ?? mkisofsCommand
        imageVirtualGiBMax = values.integer("image_virtual_size_max") ?? imageVirtualGiBMax
        imageConversionTimeout = .seconds(values.number("image_conversion_timeout") ?? 1800)
        suspendTimeout = .seconds(values.number("suspend_timeout") ?? 120)
        vncListen = values.string("server_listen") ?? vncListen
        reservedMemoryMiB = values.integer("reserved_host_memory_mb") ?? reservedMemoryMiB
        reservedDiskMiB = values.integer("reserved_host_disk_mb") ?? reservedDiskMiB
        reservedCPUs = values.integer("reserved_host_cpus") ?? reservedCPUs
        cpuAllocationRatio = values.number("cpu_allocation_ratio") ?? cpuAllocationRatio
        memoryAllocationRatio = values.number("ram_allocation_ratio") ?? memoryAllocationRatio
        diskAllocationRatio = values.number("disk_allocation_ratio") ?? diskAllocationRatio
        inventoryInterval = .seconds(values.number("inventory_interval") ?? 60)
        if ramdisk != nil, kernel == nil {
            throw .badConfiguration("[xen] ramdisk is set without kernel; set both or neither")
        }
    }

    /// Every option, as the host checks and documents it.
    static let declared: [DriverOption] = [
        DriverOption(
            "guest_type", .choice(["auto", "pv", "pvh", "hvm"]), default: "auto",
            help: "How guests are virtualized whose image has no hw_vm_mode (xen for pv, pvh, hvm). auto is pvh where "
                + "the processor can, else pv."),
        DriverOption(
            "kernel", .string, default: nil,
            help: "A kernel in the control domain that all PV and PVH guests start with. Without it a boot loader in "
                + "the guest starts what its image has."),
        DriverOption("ramdisk", .string, default: nil, help: "The initial RAM disk that goes with kernel."),
        DriverOption("command_line", .string, default: nil, help: "The arguments that go with kernel."),
        DriverOption(
            "pv_boot_loader", .string, default: "/usr/lib/grub-xen/grub-x86_64-xen.bin",
            help: "The boot loader of PV guests (package grub-xen-host)."),
        DriverOption(
            "pvh_boot_loader", .string, default: "/usr/lib/grub-xen/grub-i386-xen_pvh.bin",
            help: "The boot loader of PVH guests (package grub-xen-host)."),
        DriverOption(
            "instances_path", .string, default: nil,
            help: "Directory of guests' disks and of the image cache (_base); by default `instances` in the driver's "
                + "state directory."),
        DriverOption(
            "console_log_directory", .string, default: nil,
            help: "Where xenconsoled writes what guests say. Without it the directory is read from the daemon's "
                + "command line; a daemon that keeps no logs means no console logs."),
        DriverOption(
            "mkisofs_cmd", .string, default: "genisoimage", help: "The program that makes configuration drives."),
        DriverOption(
            "image_virtual_size_max", .integer(min: 1, max: 1 << 20), default: "1024",
            help: "The largest disk that an image may describe, in GiB."),
        DriverOption(
            "image_conversion_timeout", .seconds, default: "1800", help: "How long converting an image may take."),
        DriverOption(
            "suspend_timeout", .seconds, default: "120",
            help: "How long a guest is asked to let itself be suspended; one that is booting does not listen."),
        DriverOption(
            "server_listen", .string, default: "127.0.0.1", help: "Where graphical consoles of HVM guests listen."),
        DriverOption(
            "reserved_host_memory_mb", .integer(min: 0, max: nil), default: "512",
            help: "Memory kept back beside the control domain's, for what Xen and QEMU need for each guest."),
        DriverOption(
            "reserved_host_disk_mb", .integer(min: 0, max: nil), default: "0", help: "Disk space kept back."),
        DriverOption(
            "reserved_host_cpus", .integer(min: 0, max: nil), default: "0", help: "Processors kept back."),
        DriverOption(
            "cpu_allocation_ratio", .number(min: 0.01, max: 1000), default: "4.0",
            help: "How many virtual processors a processor may carry."),
        DriverOption(
            "ram_allocation_ratio", .number(min: 0.01, max: 1), default: "1.0",
            help: "How much of the memory guests may have; Xen cannot give more than there is."),
        DriverOption(
            "disk_allocation_ratio", .number(min: 0.01, max: 1000), default: "1.0",
            help: "How much disk guests may have by the disk that there is."),
        DriverOption(
            "inventory_interval", .seconds, default: "60", help: "Pause between two looks at what the host offers."),
    ]
}

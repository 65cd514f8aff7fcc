import DriverAPI

extension LibvirtOptions {
    /// Every option, as the host checks and documents it.
    static let declared: [DriverOption] = hypervisor + disks + consoles + devices + migration + inventory

    private static let hypervisor: [DriverOption] = [
        DriverOption(
            "virt_type", .choice(["auto", "kvm", "qemu"]), default: "auto",
            help: "How guests run. auto takes KVM only where the processor's flags, /dev/kvm, libvirt and a test "
                + "virtual processor all say that it works, and else emulates; the log says which and why."),
        DriverOption(
            "connection_uri", .string, default: "qemu:///system",
            help: "The libvirt daemon, in libvirt's form."),
        DriverOption(
            "cpu_mode", .choice(["host-model", "host-passthrough", "maximum", "custom", "none"]), default: nil,
            help: "The processor that guests see. Without a value: host-model under KVM, qemu64 under emulation. "
                + "none leaves it to QEMU."),
        DriverOption(
            "cpu_models", .list, default: nil,
            help: "For cpu_mode = custom: models from poorest to richest; the first that libvirt calls usable is "
                + "taken."),
        DriverOption(
            "hw_machine_type", .list, default: nil,
            help: "Machine type by architecture, such as x86_64=q35; pc where nothing is said. An image's "
                + "hw_machine_type goes first."),
        DriverOption(
            "rng_dev_path", .string, default: "/dev/urandom", help: "Where guests' random number devices draw from."),
    ]

    private static let disks: [DriverOption] = [
        DriverOption(
            "instances_path", .string, default: nil,
            help: "Directory of guests' disks and of the image cache (_base); by default `instances` in the "
                + "driver's state directory. The hypervisor's user must be able to reach it."),
        DriverOption(
            "images_type", .choice(["default", "qcow2", "raw", "flat"]), default: "default",
            help: "Form of root disks: qcow2 (also default) is an overlay on the cached image, raw (also flat) a "
                + "copy."),
        DriverOption(
            "force_raw_images", .boolean, default: "true",
            help: "Convert images to raw in the cache, so that a running guest never makes QEMU read metadata that "
                + "came with the image."),
        DriverOption(
            "disk_cachemodes", .list, default: nil,
            help: "file=MODE: QEMU's cache mode. Without a value: none where the file system can, else writeback."),
        DriverOption(
            "images_cpu_time_limit", .integer(min: 1, max: nil), default: "30",
            help: "Processor seconds that qemu-img may use to create a disk."),
        DriverOption(
            "images_address_space_limit", .integer(min: 1, max: nil), default: "2",
            help: "Address space in GiB that qemu-img may use."),
        DriverOption(
            "image_conversion_timeout", .seconds, default: "1800",
            help: "Longest time, by clock and by processor, for converting one image."),
        DriverOption(
            "image_virtual_size_max", .integer(min: 1, max: nil), default: "1024",
            help: "Largest disk in GiB that an image may describe, also for flavors without a root disk size."),
        DriverOption(
            "mkisofs_cmd", .string, default: "genisoimage",
            help: "Program that makes the ISO 9660 image of a configuration drive."),
    ]

    private static let consoles: [DriverOption] = [
        DriverOption(
            "console_log_max_bytes", .integer(min: 4096, max: nil), default: "\(4 << 20)",
            help: "A console log larger than this is rotated by the driver at the next look. libvirt's virtlogd, "
                + "where used, rotates earlier (2 MiB)."),
        DriverOption(
            "console_log_max_files", .integer(min: 1, max: 99), default: "3",
            help: "Rotated console logs kept for each guest."),
        DriverOption(
            "server_listen", .string, default: "127.0.0.1",
            help: "Address on which guests' graphical and serial consoles listen."),
        DriverOption(
            "server_proxyclient_address", .string, default: nil,
            help: "Address at which console proxies reach this node; where the consoles listen when nothing is said."),
        DriverOption(
            "graphics", .list, default: "vnc", help: "Graphical consoles that guests get: vnc, spice or both."),
        DriverOption(
            "serial_console", .boolean, default: "false",
            help: "Serve each new guest's serial port over TCP as well as writing it to the console log."),
        DriverOption(
            "serial_port_range", .string, default: "10000:20000", help: "Ports for serial consoles, first:last."),
    ]

    private static let devices: [DriverOption] = [
        DriverOption(
            "device_detach_attempts", .integer(min: 1, max: nil), default: "8",
            help: "How often a running guest is asked to give a device back."),
        DriverOption(
            "device_detach_timeout", .seconds, default: "20", help: "How long each time it may take."),
        DriverOption(
            "num_pcie_ports", .integer(min: 0, max: 28), default: "16",
            help: "On machine type q35: slots for all devices, also for those that are attached to a running guest."),
        DriverOption(
            "my_ip", .string, default: "127.0.0.1", help: "This node's address, as the volume service is told."),
    ]

    private static let migration: [DriverOption] = [
        DriverOption(
            "live_migration_inbound_addr", .string, default: nil,
            help: "Name or address at which other nodes reach this one for live migration; its host name when "
                + "nothing is said."),
        DriverOption(
            "live_migration_uri", .string, default: nil,
            help: "This node's libvirt daemon as other nodes' daemons reach it, %s for the address; "
                + "qemu+tcp://%s/system when nothing is said, qemu+tls with live_migration_with_native_tls."),
        DriverOption(
            "live_migration_with_native_tls", .boolean, default: "false",
            help: "Encrypt memory and disks on their way; QEMU needs its certificates on both nodes."),
    ]

    private static let inventory: [DriverOption] = [
        DriverOption(
            "reserved_host_memory_mb", .integer(min: 0, max: nil), default: "512", help: "Memory kept for the host."),
        DriverOption(
            "reserved_host_disk_mb", .integer(min: 0, max: nil), default: "0",
            help: "Disk kept for the host, rounded up to GiB."),
        DriverOption(
            "reserved_host_cpus", .integer(min: 0, max: nil), default: "0", help: "Processors kept for the host."),
        DriverOption(
            "cpu_allocation_ratio", .number(min: 0.01, max: nil), default: "4.0",
            help: "Virtual processors offered for each real one."),
        DriverOption(
            "ram_allocation_ratio", .number(min: 0.01, max: nil), default: "1.0", help: "The same for memory."),
        DriverOption(
            "disk_allocation_ratio", .number(min: 0.01, max: nil), default: "1.0", help: "The same for disk."),
        DriverOption(
            "inventory_interval", .seconds, default: "60",
            help: "How often to look whether the host's resources changed."),
    ]
}

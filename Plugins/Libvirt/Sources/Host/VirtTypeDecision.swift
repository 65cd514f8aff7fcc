import DriverAPI
import DriverSupport
import Glibc

/// Whether guests run under KVM or are emulated, and why.
struct VirtTypeDecision: Hashable, Sendable {
    /// `kvm` or `qemu`.
    let virtType: String
    /// A sentence for the log.
    let reason: String

    /// Decides. `/dev/kvm` alone proves nothing: it can exist where no virtual processor can be made, and where the
    /// processor has no virtualisation at all and KVM is a slow, incomplete imitation.
    ///
    /// - Parameters:
    ///   - libvirtOffersKVM: domain capabilities for KVM could be had.
    ///   - libvirtOffersQEMU: the same for emulation.
    /// - Throws: ``DriverError/badConfiguration(_:)`` when the operator's choice cannot work here.
    static func decide(
        _ choice: LibvirtOptions.VirtTypeChoice, probe: KVMProbe, libvirtOffersKVM: Bool, libvirtOffersQEMU: Bool
    ) throws(DriverError) -> VirtTypeDecision {
        let obstacle = probe.obstacle ?? (libvirtOffersKVM ? nil : "libvirt does not offer KVM guests here")
        switch choice {
        case .qemu:
            guard libvirtOffersQEMU else {
                throw .badConfiguration(
                    "[libvirt] virt_type = qemu, but libvirt offers no QEMU guests here; install qemu-system-x86")
            }
            return VirtTypeDecision(virtType: "qemu", reason: "virt_type = qemu")
        case .kvm:
            guard libvirtOffersKVM else {
                throw .badConfiguration(
                    "[libvirt] virt_type = kvm, but \(obstacle ?? "KVM is missing"); "
                        + "use virt_type = auto or qemu, or enable virtualisation in the firmware")
            }
            // The operator insists, and libvirt agrees: the probe only warns.
            return VirtTypeDecision(
                virtType: "kvm", reason: "virt_type = kvm" + (obstacle.map { ", although \($0)" } ?? ""))
        case .auto:
            guard let obstacle else {
                return VirtTypeDecision(
                    virtType: "kvm",
                    reason: "processor flags, /dev/kvm, libvirt and a test virtual processor agree that KVM works")
            }
            guard libvirtOffersQEMU else {
                throw .badConfiguration(
                    "KVM cannot be used (\(obstacle)) and libvirt offers no QEMU guests; install qemu-system-x86")
            }
            return VirtTypeDecision(virtType: "qemu", reason: obstacle)
        }
    }
}

/// What the host itself shows of KVM.
struct KVMProbe: Hashable, Sendable {
    /// `vmx` or `svm` among the processor's flags.
    var hasFlags: Bool
    /// Why /dev/kvm does not open; `nil` when it does.
    var deviceObstacle: String?
    /// Why no virtual processor could be made; `nil` when one was.
    var vcpuObstacle: String?

    /// The first thing in the way; `nil` for none.
    var obstacle: String? {
        if !hasFlags { return "the processor shows neither vmx nor svm" }
        if let deviceObstacle { return deviceObstacle }
        return vcpuObstacle
    }

    /// Looks at this host. Blocks for a moment.
    static func look() -> KVMProbe {
        let flags = processorFlags(try? readText("/proc/cpuinfo", bytesMax: 1 << 20))
        var probe = KVMProbe(hasFlags: !flags.isDisjoint(with: ["vmx", "svm"]))
        let device = open("/dev/kvm", O_RDWR | O_CLOEXEC)
        guard device >= 0 else {
            probe.deviceObstacle = "/dev/kvm cannot be opened: \(systemErrorText(errno))"
            return probe
        }
        defer { close(device) }
        let createVM: UInt = 0xae01
        let createVCPU: UInt = 0xae41
        let machine = ioctl(device, createVM, 0)
        guard machine >= 0 else {
            probe.vcpuObstacle = "KVM makes no virtual machine: \(systemErrorText(errno))"
            return probe
        }
        defer { close(machine) }
        let processor = ioctl(machine, createVCPU, 0)
        guard processor >= 0 else {
            probe.vcpuObstacle = "KVM makes no virtual processor: \(systemErrorText(errno))"
            return probe
        }
        close(processor)
        return probe
    }

    /// The flags of the first processor in the text of /proc/cpuinfo.
    static func processorFlags(_ cpuinfo: String?) -> Set<String> {
        for line in (cpuinfo ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].hasPrefix("flags") else { continue }
            return Set(parts[1].split(separator: " ").map(String.init))
        }
        return []
    }
}

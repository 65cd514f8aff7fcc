import ComputeModel
import ServiceInterfaces

/// What placement is told of a node: the traits of its driver's capabilities, those that the driver found, and those
/// that follow from what can run there. The one place where the three meet.
enum NodeTraits {
    static func of(_ report: ReportNode) -> Set<Trait> {
        var traits = report.capabilityTraits.union(report.inventory.traits)
        traits.formUnion([Trait("COMPUTE_NODE"), Trait("OWNER_NOVA")])
        if let trait = processor[report.inventory.cpu.arch] { traits.insert(Trait("HW_ARCH_\(trait)")) }
        for guest in report.inventory.supportedGuests {
            if let trait = emulated[guest.architecture] { traits.insert(Trait("COMPUTE_ARCH_\(trait)")) }
        }
        // Whether servers may come is said by the service's record.
        traits.remove(Trait("COMPUTE_STATUS_DISABLED"))
        return traits
    }

    /// Architectures of processors by the ends of their standard traits.
    private static let processor = [
        "aarch64": "AARCH64", "i686": "I686", "ppc64": "PPC64", "ppc64le": "PPC64LE", "s390x": "S390X",
        "x86_64": "X86_64",
    ]
    /// Architectures of guests likewise.
    private static let emulated = [
        "aarch64": "AARCH64", "mipsel": "MIPSEL", "ppc64le": "PPC64LE", "riscv64": "RISCV64", "s390x": "S390X",
        "x86_64": "X86_64",
    ]
}

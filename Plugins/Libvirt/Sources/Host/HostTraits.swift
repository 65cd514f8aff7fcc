import ComputeModel

/// Placement's names for what guests' processors and devices can do.
enum HostTraits {
    /// libvirt's name of a processor feature to placement's standard traits (the list of os-traits).
    private static let processor: [String: [String]] = [
        "3dnow": ["3DNOW"], "abm": ["ABM"], "aes": ["AESNI"], "avx": ["AVX"], "avx2": ["AVX2"],
        "avx512bw": ["AVX512BW"], "avx512cd": ["AVX512CD"], "avx512dq": ["AVX512DQ"], "avx512er": ["AVX512ER"],
        "avx512f": ["AVX512F"], "avx512pf": ["AVX512PF"], "avx512vl": ["AVX512VL"], "avx512vnni": ["AVX512VNNI"],
        "avx512vbmi": ["AVX512VBMI"], "avx512ifma": ["AVX512IFMA"], "avx512vbmi2": ["AVX512VBMI2"],
        "avx512bitalg": ["AVX512BITALG"], "vaes": ["AVX512VAES"], "gfni": ["AVX512GFNI"],
        "vpclmulqdq": ["AVX512VPCLMULQDQ"], "avx512-vpopcntdq": ["AVX512VPOPCNTDQ"], "bmi1": ["BMI"],
        "bmi2": ["BMI2"], "pclmuldq": ["CLMUL"], "pclmulqdq": ["CLMUL"], "f16c": ["F16C"], "fma": ["FMA3"],
        "fma4": ["FMA4"], "mmx": ["MMX"], "mpx": ["MPX"], "sha-ni": ["SHA"], "sse": ["SSE"], "sse2": ["SSE2"],
        "pni": ["SSE3"], "sse3": ["SSE3"], "sse4.1": ["SSE41"], "sse4.2": ["SSE42"], "sse4a": ["SSE4A"],
        "ssse3": ["SSSE3"], "svm": ["SVM", "AMD_SVM"], "tbm": ["TBM"], "vmx": ["VMX", "INTEL_VMX"],
        "xop": ["XOP"], "pdpe1gb": ["PDPE1GB"], "stibp": ["STIBP"],
    ]

    /// Traits of a processor with those features.
    static func processor(features: some Sequence<String>) -> Set<Trait> {
        Set(features.flatMap { processor[$0] ?? [] }.map { Trait("HW_CPU_X86_\($0)") })
    }

    /// Features that a `<cpu>` element requires.
    static func features(ofCPU xml: String) -> [String] {
        guard let cpu = try? XMLReader.parse(xml) else { return [] }
        return cpu.children("feature").filter { $0["policy"] != "disable" && $0["policy"] != "forbid" }
            .compactMap { $0["name"] }
    }

    /// Traits of the devices that images may ask for.
    static func devices(_ capabilities: DomainCapabilities) -> Set<Trait> {
        var names: [String] = []
        names += GuestDevices.diskBuses.filter { capabilities.diskBuses.contains($0) }
            .map { "COMPUTE_STORAGE_BUS_\($0.uppercased())" }
        names += GuestDevices.videoModels.filter { $0.value == "none" || capabilities.videoModels.contains($0.value) }
            .map { "COMPUTE_GRAPHICS_MODEL_\($0.key.uppercased())" }
        names += GuestDevices.vifModels.map { "COMPUTE_NET_VIF_MODEL_\($0.uppercased())" }
        return Set(names.map { Trait($0) })
    }

    /// Traits of a node that emulates or runs that architecture.
    static func node(arch: String) -> Set<Trait> {
        var traits: Set<Trait> = [Trait("COMPUTE_NODE")]
        let names = ["x86_64": "X86_64", "aarch64": "AARCH64", "ppc64le": "PPC64LE", "s390x": "S390X"]
        if let name = names[arch] {
            traits.insert(Trait("HW_ARCH_\(name)"))
            traits.insert(Trait("COMPUTE_ARCH_\(name)"))
        }
        return traits
    }
}

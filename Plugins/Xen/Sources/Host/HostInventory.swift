import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// What the host offers.
enum HostInventory {
    /// Looks at Xen, the control domain and the disk.
    static func read(_ xen: XenHypervisor, _ options: XenOptions, calls: BlockingThreads) async throws(DriverError)
        -> NodeInventory
    {
        let answer: Result<NodeInventory, DriverError> = await calls.run {
            Result { () throws(DriverError) in
                let (facts, control): (XenHost, Int)
                do throws(XenFailure) {
                    (facts, control) = (try xen.host(), try xen.controlDomainMemoryMiB())
                } catch {
                    throw error.driverError
                }
                do throws(FileFailure) {
                    return make(facts, control, options, try diskSpace(options.instancesPath))
                } catch {
                    throw error.driverError
                }
            }
        }
        return try answer.get()
    }

    /// The inventory that follows from the facts.
    static func make(
        _ facts: XenHost, _ controlMiB: Int, _ options: XenOptions, _ disk: (total: UInt64, free: UInt64)
    ) -> NodeInventory {
        let cpu = processor((try? readText("/proc/cpuinfo", bytesMax: 16_384)) ?? "", facts)
        let reserved = min(facts.memoryMiB, controlMiB + options.reservedMemoryMiB)
        var kinds: [SupportedGuest] = []
        if facts.runsParavirtualGuests { kinds.append(kind("xen")) }
        if facts.runsHardwareGuests { kinds.append(kind("hvm")) }
        let diskGiB = Int(disk.total >> 30)
        var resources: [ResourceClass: ResourceInventory] = [
            .vcpu: ResourceInventory(
                total: facts.cpus, reserved: min(facts.cpus, options.reservedCPUs),
                allocationRatio: options.cpuAllocationRatio),
            .memoryMiB: ResourceInventory(
                total: facts.memoryMiB, reserved: reserved, allocationRatio: options.memoryAllocationRatio),
        ]
        if diskGiB > 0 {
            resources[.diskGiB] = ResourceInventory(
                total: diskGiB, reserved: min(diskGiB, (options.reservedDiskMiB + 1023) / 1024),
                allocationRatio: options.diskAllocationRatio)
        }
        return NodeInventory(
            hypervisorType: "Xen", hypervisorVersion: version(facts), hypervisorHostname: hostName(), cpu: cpu,
            supportedGuests: kinds, resources: resources,
            traits: traits(cpu.features).union(always.map { Trait($0) }),
            diskFreeGiB: Int(disk.free >> 30), uptime: HostUptime.read())
    }

    /// Xen's version as one number; `.7` is release 7.
    static func version(_ facts: XenHost) -> Int {
        let release = facts.extra.drop { $0 == "." }.prefix { $0.isNumber }
        return facts.major * 1_000_000 + facts.minor * 1_000 + (Int(release) ?? 0)
    }

    private static func kind(_ mode: String) -> SupportedGuest {
        SupportedGuest(architecture: "x86_64", hypervisorType: "xen", machineMode: mode)
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The processor, from the text of /proc/cpuinfo.
    static func processor(_ text: String, _ facts: XenHost) -> CPUDescription {
        func value(_ key: String) -> String? {
            let line = text.split(separator: "\n").first { $0.hasPrefix(key + "\t") || $0.hasPrefix(key + ":") }
            guard let line, let colon = line.firstIndex(of: ":") else { return nil }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let vendors = ["GenuineIntel": "Intel", "AuthenticAMD": "AMD"]
        let vendor = value("vendor_id") ?? "unknown"
        let perSocket = max(1, facts.coresPerSocket * facts.threadsPerCore)
        return CPUDescription(
            arch: "x86_64", vendor: vendors[vendor] ?? vendor, model: value("model name") ?? "unknown",
            sockets: max(1, facts.cpus / perSocket), cores: max(1, facts.coresPerSocket),
            threads: max(1, facts.threadsPerCore),
            features: (value("flags") ?? "").split(separator: " ").map(String.init))
    }

    private static let names: [String: String] = [
        "aes": "AESNI", "avx": "AVX", "avx2": "AVX2", "avx512f": "AVX512F", "bmi1": "BMI", "bmi2": "BMI2",
        "f16c": "F16C", "fma": "FMA3", "mmx": "MMX", "pclmulqdq": "CLMUL", "sha_ni": "SHA", "sse": "SSE",
        "sse2": "SSE2", "pni": "SSE3", "ssse3": "SSSE3", "sse4_1": "SSE41", "sse4_2": "SSE42", "sse4a": "SSE4A",
        "abm": "ABM",
    ]

    private static let always = ["COMPUTE_NODE", "HW_ARCH_X86_64", "COMPUTE_ARCH_X86_64"]

    /// Placement's names of the processor's features.
    static func traits(_ flags: [String]) -> Set<Trait> {
        Set(flags.compactMap { names[$0] }.map { Trait("HW_CPU_X86_\($0)") })
    }
}

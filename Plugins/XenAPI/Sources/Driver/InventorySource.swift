import ComputeModel
import DriverAPI

/// Reads what the node offers.
struct InventorySource: Sendable {
    let client: XenClient
    let place: XenAPIDriver.Place

    /// Asks the server.
    func look() async throws(DriverError) -> NodeInventory {
        let options = client.options
        let host = try await client.call("host.get_record", [.text(place.reference)], "describe the host")
        let metrics = try await client.call(
            "host_metrics.get_record", [host["metrics"]], "tell the host's memory")
        let repository = try await Repositories(client: client, place: place).guests()
        let cpu = host["cpu_info"]
        let processors = max(1, Int(cpu["cpu_count"].integer ?? Int64(host["host_CPUs"].list.count)))
        let sockets = max(1, Int(cpu["socket_count"].integer ?? 1))
        let threads = max(1, Int(cpu["threads_per_core"].integer ?? 1))
        let overhead = host["memory_overhead"].integer ?? 0
        let memoryMiB = Int(max(0, (metrics["memory_total"].integer ?? 0) - overhead) >> 20)
        let gib: UInt64 = 1 << 30
        let software = host["software_version"].textMap
        let guests = Self.supportedGuests(host["capabilities"].texts)
        return NodeInventory(
            hypervisorType: "XenServer", hypervisorVersion: Self.version(software["product_version"] ?? ""),
            hypervisorHostname: host["hostname"].text.isEmpty ? place.name : host["hostname"].text,
            cpu: CPUDescription(
                arch: guests.first?.architecture ?? "x86_64", vendor: cpu["vendor"].text, model: cpu["modelname"].text,
                sockets: sockets, cores: max(1, processors / sockets / threads), threads: threads,
                features: cpu["flags"].text.split(separator: " ").map(String.init)),
            supportedGuests: guests,
            resources: [
                .vcpu: ResourceInventory(
                    total: processors, reserved: min(options.reservedCPUs, processors),
                    allocationRatio: options.cpuRatio),
                .memoryMiB: ResourceInventory(
                    total: max(1, memoryMiB), reserved: min(options.reservedMemoryMiB, memoryMiB),
                    allocationRatio: options.memoryRatio),
                .diskGiB: ResourceInventory(
                    total: max(1, Int(repository.bytes / gib)), reserved: (options.reservedDiskMiB + 1023) / 1024,
                    allocationRatio: options.diskRatio),
            ],
            traits: Self.traits(cpu["flags"].text), diskFreeGiB: Int(repository.freeBytes / gib))
    }

    /// `8.3.0` as one number.
    static func version(_ text: String) -> Int {
        let parts = text.split(separator: ".").prefix(3).map { min(999, Int($0.prefix { $0.isNumber }) ?? 0) }
        return parts.enumerated().reduce(0) { $0 + $1.element * [1_000_000, 1_000, 1][$1.offset] }
    }

    /// From `xen-3.0-x86_64` and `hvm-3.0-x86_32p`.
    static func supportedGuests(_ capabilities: [String]) -> [SupportedGuest] {
        var found: [SupportedGuest] = []
        for text in capabilities {
            let parts = text.split(separator: "-")
            guard parts.count == 3, parts[0] == "xen" || parts[0] == "hvm" else { continue }
            let architecture =
                parts[2].hasPrefix("x86_64") ? "x86_64" : parts[2].hasPrefix("x86_32") ? "i686" : parts[2]
            let guest = SupportedGuest(
                architecture: String(architecture), hypervisorType: "xen", machineMode: String(parts[0]))
            if !found.contains(guest) { found.append(guest) }
        }
        return found.sorted { ($0.architecture, $0.machineMode) > ($1.architecture, $1.machineMode) }
    }

    private static let processorTraits: [String: String] = [
        "aes": "AESNI", "avx": "AVX", "avx2": "AVX2", "sse": "SSE", "sse2": "SSE2", "ssse3": "SSSE3", "sse4_1": "SSE41",
        "sse4_2": "SSE42", "vmx": "VMX", "svm": "SVM", "mmx": "MMX", "bmi1": "BMI", "bmi2": "BMI2", "fma": "FMA3",
        "f16c": "F16C", "avx512f": "AVX512F",
    ]

    private static func traits(_ flags: String) -> Set<Trait> {
        Set(
            flags.split(separator: " ").compactMap { processorTraits[String($0)] }.map { Trait("HW_CPU_X86_\($0)") })
    }
}

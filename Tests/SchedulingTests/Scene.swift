import ComputeModel
import Scheduling
import ServiceInterfaces

/// Hosts and requests to choose among.
enum Scene {
    static func inventory(
        _ node: String, vcpus: Int = 8, memoryMiB: Int = 4096, guests: [SupportedGuest] = []
    ) -> NodeInventory {
        NodeInventory(
            hypervisorType: "QEMU", hypervisorVersion: 8_002_000, hypervisorHostname: node,
            cpu: CPUDescription(arch: "x86_64", vendor: "Intel", model: "Nehalem", features: ["aes", "sse"]),
            supportedGuests: guests,
            resources: [
                .vcpu: ResourceInventory(total: vcpus, allocationRatio: 2),
                .memoryMiB: ResourceInventory(total: memoryMiB, reserved: 96), .diskGiB: ResourceInventory(total: 100),
            ], traits: [], diskFreeGiB: 50)
    }

    static func host(
        _ name: String, usedVCPUs: Int = 0, usedMemoryMiB: Int = 0, instances: Int = 0, ioOperations: Int = 0,
        zone: String = "nova", isUp: Bool = true, isDisabled: Bool = false, trouble: String? = nil,
        guests: [SupportedGuest] = []
    ) -> HostState {
        HostState(
            host: name, node: name, nodeID: .random(), availabilityZone: zone, isUp: isUp, isDisabled: isDisabled,
            disabledReason: isDisabled ? "repairs" : nil, trouble: trouble,
            inventory: inventory(name, guests: guests), traits: [],
            bindings: [.bridge], instances: instances, ioOperations: ioOperations, usedVCPUs: usedVCPUs,
            usedMemoryMiB: usedMemoryMiB, usedDiskGiB: 0, candidates: [])
    }

    static func spec(
        zone: String? = nil, extraSpecs: [String: String] = [:], imageProperties: [String: String]? = nil,
        forcedHost: String? = nil
    ) -> RequestSpec {
        RequestSpec(
            projectID: "p", userID: "u",
            flavor: FlavorSpec(
                flavorID: "f", name: "f", vcpus: 2, memoryMiB: 1024, rootGiB: 1, extraSpecs: extraSpecs),
            image: imageProperties.map {
                ImageSpec(
                    id: .random(), name: "i", diskFormat: "raw", containerFormat: "bare", sizeBytes: 1, properties: $0)
            }, availabilityZone: zone, forcedHost: forcedHost)
    }
}

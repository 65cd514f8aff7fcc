import ComputeModel
import ServiceInterfaces

extension HostFilter {
    /// Extra specs of the form `capabilities:path` (or without a scope) must match what the host says of itself.
    static let computeCapabilities = HostFilter("ComputeCapabilitiesFilter") { host, spec in
        for (key, wanted) in spec.flavor.extraSpecs.sorted(by: { $0.key < $1.key }) {
            var path = key.split(separator: ":").map(String.init)
            if path.count > 1 {
                guard path.removeFirst() == "capabilities" else { continue }
            }
            guard let found = capability(path, of: host) else {
                return "the flavor asks for \(key) = \(wanted); the host has no such capability"
            }
            guard CapabilityRequirement(wanted).isMet(by: found) else {
                return "the flavor asks for \(key) = \(wanted); the host has \(found)"
            }
        }
        return nil
    }

    private static func capability(_ path: [String], of host: HostState) -> String? {
        switch path {
        case ["hypervisor_type"]: host.inventory.hypervisorType
        case ["hypervisor_version"]: String(host.inventory.hypervisorVersion)
        case ["hypervisor_hostname"]: host.node
        case ["host"]: host.host
        case ["free_ram_mb"]: String(Int(host.free(.memoryMiB)))
        case ["free_disk_mb"]: String(Int(host.free(.diskGiB)) * 1024)
        case ["num_instances"]: String(host.instances)
        case ["vcpus_total"]: String(host.inventory.resources[.vcpu]?.total ?? 0)
        case ["vcpus_used"]: String(host.usedVCPUs)
        case ["cpu_info", "arch"]: host.inventory.cpu.arch
        case ["cpu_info", "vendor"]: host.inventory.cpu.vendor
        case ["cpu_info", "model"]: host.inventory.cpu.model
        case ["cpu_info", "features"]: host.inventory.cpu.features.joined(separator: " ")
        case ["cpu_info", "topology", "sockets"]: String(host.inventory.cpu.sockets)
        case ["cpu_info", "topology", "cores"]: String(host.inventory.cpu.cores)
        case ["cpu_info", "topology", "threads"]: String(host.inventory.cpu.threads)
        default: nil
        }
    }
}

/// A value of an extra spec in the reference's little language: a plain value is compared as text; `=`, `==`, `!=`,
/// `>=`, `<=`, `<`, `>` compare numbers (`=` means at least); `s==` … `s>=` compare text; `<in>` looks for a part;
/// `<all-in>` for several; `<or>` lists alternatives.
struct CapabilityRequirement {
    private let words: [String]

    init(_ text: String) { words = text.split(separator: " ").map(String.init) }

    func isMet(by value: String) -> Bool {
        guard let head = words.first else { return value.isEmpty }
        let rest = Array(words.dropFirst())
        switch head {
        case "<or>": return rest.filter { $0 != "<or>" }.contains(value)
        case "<in>": return rest.first.map { value.contains($0) } ?? false
        case "<all-in>":
            let parts = Set(value.split(separator: " ").map(String.init))
            return rest.allSatisfy { parts.contains($0) }
        case "=", "==", "!=", ">=", "<=", "<", ">":
            guard let wanted = rest.first.flatMap({ Double($0) }), let found = Double(value) else { return false }
            return Self.holds(head == "=" ? ">=" : head, found, wanted)
        case "s==", "s!=", "s>=", "s<=", "s<", "s>":
            guard let wanted = rest.first else { return false }
            return Self.holds(String(head.dropFirst()), value, wanted)
        default: return words.joined(separator: " ") == value
        }
    }

    private static func holds<Value: Comparable>(_ operation: String, _ found: Value, _ wanted: Value) -> Bool {
        switch operation {
        case "==": found == wanted
        case "!=": found != wanted
        case ">=": found >= wanted
        case "<=": found <= wanted
        case "<": found < wanted
        default: found > wanted
        }
    }
}

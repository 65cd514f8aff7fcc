import APIVersioning
import ComputeModel
import ComputeStore
import WireJSON

/// A hypervisor with what an answer about it needs.
final class HypervisorSubject: Sendable {
    let node: ComputeNodeRecord
    let service: ServiceRecord
    /// Whether the service is up.
    let isUp: Bool
    let usage: NodeUsage
    /// The servers on it; nil where they were not asked for.
    let servers: [InstanceRecord]?
    /// By which servers' guests are named.
    let guests: GuestNaming

    init(
        _ node: ComputeNodeRecord, _ service: ServiceRecord, isUp: Bool, usage: NodeUsage,
        servers: [InstanceRecord]?, guests: GuestNaming
    ) {
        (self.node, self.service, self.isUp, self.usage) = (node, service, isUp, usage)
        (self.servers, self.guests) = (servers, guests)
    }

    /// Its sizes with what of them is in use.
    var numbers: HypervisorNumbers { HypervisorNumbers(node, usage) }
    /// The host can be asked only while it is up.
    var uptime: String? { isUp ? node.inventory.uptime : nil }
}

/// A hypervisor's sizes. What the host keeps for itself counts as used.
struct HypervisorNumbers: Sendable {
    var vcpus = 0
    var vcpusUsed = 0
    var memoryMiB = 0
    var memoryUsedMiB = 0
    var diskGiB = 0
    var diskUsedGiB = 0
    /// Physical space that is free.
    var diskLeastGiB = 0
    /// Servers that are being built.
    var workload = 0
    var servers = 0

    init() {}

    init(_ node: ComputeNodeRecord, _ usage: NodeUsage) {
        func total(_ resource: ResourceClass) -> Int { node.inventory.resources[resource]?.total ?? 0 }
        func reserved(_ resource: ResourceClass) -> Int { node.inventory.resources[resource]?.reserved ?? 0 }
        (vcpus, vcpusUsed) = (total(.vcpu), usage.vcpus)
        (memoryMiB, memoryUsedMiB) = (total(.memoryMiB), usage.memoryMiB + reserved(.memoryMiB))
        (diskGiB, diskUsedGiB) = (total(.diskGiB), usage.diskGiB + reserved(.diskGiB))
        diskLeastGiB = node.inventory.diskFreeGiB
        (workload, servers) = (usage.ioOperations, usage.instances)
    }

    mutating func add(_ other: Self) {
        vcpus += other.vcpus
        vcpusUsed += other.vcpusUsed
        memoryMiB += other.memoryMiB
        memoryUsedMiB += other.memoryUsedMiB
        diskGiB += other.diskGiB
        diskUsedGiB += other.diskUsedGiB
        diskLeastGiB += other.diskLeastGiB
        workload += other.workload
        servers += other.servers
    }

    /// Writes the members into an object that is open.
    func write(to w: inout JSONWriter) {
        w.field("vcpus", vcpus)
        w.field("memory_mb", memoryMiB)
        w.field("local_gb", diskGiB)
        w.field("vcpus_used", vcpusUsed)
        w.field("memory_mb_used", memoryUsedMiB)
        w.field("local_gb_used", diskUsedGiB)
        w.field("free_ram_mb", memoryMiB - memoryUsedMiB)
        w.field("free_disk_gb", diskGiB - diskUsedGiB)
        w.field("current_workload", workload)
        w.field("running_vms", servers)
        w.field("disk_available_least", diskLeastGiB)
    }
}

/// How hypervisors are shown, by member and microversion.
enum HypervisorView {
    private typealias Field = ViewField<HypervisorSubject>

    static let brief = View<HypervisorSubject>(identity + [servers])
    static let full = View<HypervisorSubject>(identity + described + sizes + [servers])
    /// What `uptime` answers.
    static let withUptime = View<HypervisorSubject>(identity + [Field("uptime", always) { $1.string($0.uptime) }])

    private static let identity: [Field] = [
        Field("id", always.until(v(53))) { $1.int($0.node.number) },
        Field("id", .since(v(53))) { $1.string($0.node.id.description) },
        Field("hypervisor_hostname", always) { $1.string($0.node.node) },
        Field("state", always) { $1.string($0.isUp ? "up" : "down") },
        Field("status", always) { $1.string($0.service.isDisabled ? "disabled" : "enabled") },
    ]

    private static let described: [Field] = [
        Field("hypervisor_type", always) { $1.string($0.node.inventory.hypervisorType) },
        Field("hypervisor_version", always) { $1.int($0.node.inventory.hypervisorVersion) },
        Field("host_ip", always) { $1.string($0.node.hostIP.isEmpty ? nil : $0.node.hostIP) },
        Field("service", always.until(v(53))) { subject, w in
            w.object { w in
                w.field("id", subject.service.number)
                writeService(subject, &w)
            }
        },
        Field("service", .since(v(53))) { subject, w in
            w.object { w in
                w.field("id", subject.service.id.description)
                writeService(subject, &w)
            }
        },
        Field("uptime", .since(v(88))) { $1.string($0.uptime) },
    ]

    private static let sizes: [Field] = [
        size("vcpus") { $0.vcpus },
        size("memory_mb") { $0.memoryMiB },
        size("local_gb") { $0.diskGiB },
        size("vcpus_used") { $0.vcpusUsed },
        size("memory_mb_used") { $0.memoryUsedMiB },
        size("local_gb_used") { $0.diskUsedGiB },
        size("free_ram_mb") { $0.memoryMiB - $0.memoryUsedMiB },
        size("free_disk_gb") { $0.diskGiB - $0.diskUsedGiB },
        size("current_workload") { $0.workload },
        size("running_vms") { $0.servers },
        size("disk_available_least") { $0.diskLeastGiB },
        Field("cpu_info", always.until(v(28))) { $1.string(processor($0.node.inventory.cpu).text) },
        Field("cpu_info", .since(v(28)).until(v(88))) { $1.value(processor($0.node.inventory.cpu)) },
    ]

    private static func size(
        _ name: String, _ number: @escaping @Sendable (HypervisorNumbers) -> Int
    ) -> Field {
        Field(name, always.until(v(88))) { $1.int(number($0.numbers)) }
    }

    /// An empty list is shown only from 2.75 on.
    private static let servers = Field("servers", always, when: { $0.servers != nil }) { subject, w in
        w.array { w in
            for server in subject.servers ?? [] {
                let id = server.id.description
                w.object { w in
                    w.field("name", subject.guests.name(number: server.number, id: id))
                    w.field("uuid", id)
                }
            }
        }
    }

    private static func writeService(_ subject: HypervisorSubject, _ writer: inout JSONWriter) {
        writer.field("host", subject.node.host)
        writer.field("disabled_reason", subject.service.shownReason)
    }

    private static func processor(_ cpu: CPUDescription) -> JSONValue {
        [
            "arch": .string(cpu.arch), "model": .string(cpu.model), "vendor": .string(cpu.vendor),
            "features": JSONValue(cpu.features),
            "topology": [
                "cores": JSONValue(cpu.cores), "threads": JSONValue(cpu.threads), "sockets": JSONValue(cpu.sockets),
            ],
        ]
    }
}

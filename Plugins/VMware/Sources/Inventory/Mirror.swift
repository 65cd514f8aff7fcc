import ComputeModel
import DriverAPI

/// What a cluster holds, as the property collector has told so far.
struct Mirror: Sendable {
    private(set) var objects: [ManagedReference: [String: XMLElement]] = [:]

    /// More than any vCenter manages (45,000 machines). A server that tells of more is faulty or hostile.
    static let objectsMax = 200_000

    static let machinePaths = [
        "name", "runtime.powerState", "config.instanceUuid", "config.annotation", "config.template",
    ]
    static let hostPaths = [
        "name", "runtime.connectionState", "runtime.inMaintenanceMode", "summary.hardware.numCpuThreads",
        "summary.hardware.numCpuCores", "summary.hardware.numCpuPkgs", "summary.hardware.memorySize",
        "summary.hardware.cpuModel", "summary.hardware.vendor",
    ]
    static let datastorePaths = [
        "summary.name", "summary.type", "summary.capacity", "summary.freeSpace", "summary.accessible",
        "summary.maintenanceMode",
    ]
    /// Paths of everything mirrored.
    static let paths = [
        "VirtualMachine": machinePaths, "HostSystem": hostPaths, "Datastore": datastorePaths,
    ]

    /// Takes changes over and tells which guests changed power, in order.
    mutating func apply(_ update: UpdateSet) -> [GuestEvent] {
        var events: [GuestEvent] = []
        for object in update.objects where Self.paths[object.reference.type] != nil {
            let before = machine(object.reference)
            if object.isGone {
                objects[object.reference] = nil
                if let id = before?.id { events.append(.power(id, .noState)) }
                continue
            }
            var values = objects[object.reference] ?? [:]
            for (path, value) in object.changes {
                // Types are known by path; without them a large cluster takes half the memory.
                values[path] = value.map { XMLElement($0.name, text: $0.text) }
            }
            objects[object.reference] = values
            guard let after = machine(object.reference), let id = after.id, after.power != before?.power else {
                continue
            }
            events.append(.power(id, after.power))
        }
        return events
    }

    func machine(_ reference: ManagedReference) -> MachineSummary? {
        guard reference.type == "VirtualMachine", let values = objects[reference] else { return nil }
        return MachineSummary(ObjectProperties(reference: reference, values: values))
    }

    var hosts: [HostFacts] {
        objects.filter { $0.key.type == "HostSystem" }.sorted { $0.key.value < $1.key.value }.map {
            HostFacts(ObjectProperties(reference: $0.key, values: $0.value))
        }
    }

    var datastores: [DatastoreFacts] {
        objects.filter { $0.key.type == "Datastore" }.sorted { $0.key.value < $1.key.value }.map {
            DatastoreFacts(ObjectProperties(reference: $0.key, values: $0.value))
        }
    }
}

/// A virtual machine in a listing.
struct MachineSummary: Hashable, Sendable {
    let reference: ManagedReference
    let id: GuestID?
    let name: String
    let power: PowerState
    let isOurs: Bool
    let isTemplate: Bool

    init(_ properties: ObjectProperties) {
        reference = properties.reference
        id = properties.string("config.instanceUuid").flatMap { GuestID($0) }
        name = properties.string("name") ?? properties.reference.value
        power = PowerState(vim: properties.string("runtime.powerState") ?? "")
        isTemplate = properties["config.template"]?.bool ?? false
        isOurs = id.map { GuestMark.isThere(in: properties.string("config.annotation") ?? "", for: $0) } ?? false
    }
}

extension PowerState {
    /// From vSphere's `poweredOn`, `poweredOff`, `suspended`.
    init(vim text: String) {
        self =
            switch text {
            case "poweredOn": .running
            case "poweredOff": .shutdown
            case "suspended": .suspended
            default: .noState
            }
    }
}

/// An ESX host of the cluster.
struct HostFacts: Hashable, Sendable {
    let reference: ManagedReference
    let name: String
    let isConnected: Bool
    let isInMaintenance: Bool
    let threads: Int
    let cores: Int
    let packages: Int
    let memoryMiB: Int
    let cpuModel: String
    let vendor: String

    init(_ properties: ObjectProperties) {
        reference = properties.reference
        name = properties.string("name") ?? properties.reference.value
        isConnected = properties.string("runtime.connectionState") == "connected"
        isInMaintenance = properties["runtime.inMaintenanceMode"]?.bool ?? false
        threads = properties.int("summary.hardware.numCpuThreads") ?? 0
        cores = properties.int("summary.hardware.numCpuCores") ?? 0
        packages = properties.int("summary.hardware.numCpuPkgs") ?? 0
        memoryMiB = (properties.int("summary.hardware.memorySize") ?? 0) >> 20
        cpuModel = properties.string("summary.hardware.cpuModel") ?? ""
        vendor = properties.string("summary.hardware.vendor") ?? ""
    }

    /// Whether guests can run there.
    var isUsable: Bool { isConnected && !isInMaintenance }
}

/// A datastore that the cluster's hosts reach.
struct DatastoreFacts: Hashable, Sendable {
    let reference: ManagedReference
    let name: String
    let capacityBytes: Int
    let freeBytes: Int
    let isAccessible: Bool

    init(_ properties: ObjectProperties) {
        reference = properties.reference
        name = properties.string("summary.name") ?? ""
        capacityBytes = properties.int("summary.capacity") ?? 0
        freeBytes = properties.int("summary.freeSpace") ?? 0
        let maintenance = properties.string("summary.maintenanceMode") ?? "normal"
        isAccessible = (properties["summary.accessible"]?.bool ?? false) && maintenance == "normal"
    }
}

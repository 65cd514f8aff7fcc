import ComputeModel
import DriverAPI

/// Limits that a flavor's `quota:` specifications put on a guest.
struct GuestLimits: Hashable, Sendable {
    /// Weight of its processors against other guests'.
    var cpuShares: Int?
    /// Of each period, in microseconds, its processors may take so many.
    var cpuPeriod: Int?
    var cpuQuota: Int?
    /// For each local disk.
    var disk = DiskLimits()
    /// For each interface: the element `<bandwidth>`; `nil` for no limits.
    var bandwidth: XMLElement?

    private static let diskNames: [(String, any WritableKeyPath<DiskLimits, Int64?> & Sendable)] = [
        ("quota:disk_read_bytes_sec", \.readBytesPerSecond), ("quota:disk_write_bytes_sec", \.writeBytesPerSecond),
        ("quota:disk_total_bytes_sec", \.totalBytesPerSecond), ("quota:disk_read_iops_sec", \.readOperationsPerSecond),
        ("quota:disk_write_iops_sec", \.writeOperationsPerSecond),
        ("quota:disk_total_iops_sec", \.totalOperationsPerSecond),
    ]
    private static let directions = ["inbound", "outbound"]
    private static let measures = ["average", "peak", "burst"]
    /// Every specification that is kept.
    static let names: Set<String> = Set(
        ["quota:cpu_shares", "quota:cpu_period", "quota:cpu_quota"] + diskNames.map(\.0)
            + directions.flatMap { direction in measures.map { "quota:vif_\(direction)_\($0)" } })

    /// Reads a flavor's specifications.
    init(_ specs: [String: String]) throws(DriverError) {
        func number(_ name: String) throws(DriverError) -> Int64? {
            guard let text = specs[name] else { return nil }
            guard let number = Int64(text), number > 0 else {
                throw .refused("Flavor extra spec \(name) = \(text) must be a whole number above zero")
            }
            return number
        }
        cpuShares = try number("quota:cpu_shares").map { Int($0) }
        cpuPeriod = try number("quota:cpu_period").map { Int($0) }
        if let text = specs["quota:cpu_quota"], text.hasPrefix("-") {
            cpuQuota = nil  // Nova's word for no limit
        } else {
            cpuQuota = try number("quota:cpu_quota").map { Int($0) }
        }
        for (name, path) in Self.diskNames { disk[keyPath: path] = try number(name) }
        var element = XMLElement("bandwidth")
        for direction in Self.directions {
            var part = XMLElement(direction)
            for measure in Self.measures {
                guard let value = try number("quota:vif_\(direction)_\(measure)") else { continue }
                part.attributes.append((name: measure, value: "\(value)"))
            }
            guard !part.attributes.isEmpty else { continue }
            guard part["average"] != nil else {
                throw .refused("Flavor extra specs quota:vif_\(direction)_… need quota:vif_\(direction)_average")
            }
            element.add(part)
        }
        bandwidth = element.contents.isEmpty ? nil : element
    }

    /// The element `<iotune>` for limits of a disk; `nil` for none.
    static func iotune(_ limits: DiskLimits) -> XMLElement? {
        let values: [(String, Int64?)] = [
            ("total_bytes_sec", limits.totalBytesPerSecond), ("read_bytes_sec", limits.readBytesPerSecond),
            ("write_bytes_sec", limits.writeBytesPerSecond), ("total_iops_sec", limits.totalOperationsPerSecond),
            ("read_iops_sec", limits.readOperationsPerSecond), ("write_iops_sec", limits.writeOperationsPerSecond),
        ]
        let elements = values.compactMap { name, value in value.map { XMLElement(name, text: "\($0)") } }
        return elements.isEmpty ? nil : XMLElement("iotune", [:], elements)
    }
}

extension GuestLimits {
    /// No limits.
    static let none = GuestLimits()
    private init() {}
}

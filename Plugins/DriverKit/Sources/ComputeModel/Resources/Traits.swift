/// A quality of a resource provider, by its name in placement: `HW_CPU_X86_AVX2`, `COMPUTE_NET_ATTACH_INTERFACE`.
public struct Trait: RawRepresentable, Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    /// The name.
    public let rawValue: String
    /// A trait of that name. Names are not checked here; placement refuses unknown standard ones.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// A trait of that name.
    public init(_ name: String) { rawValue = name }
    /// The name.
    public var description: String { rawValue }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A kind of resource, by its name in placement: `VCPU`, `MEMORY_MB`, `DISK_GB`, `CUSTOM_…`.
public struct ResourceClass: RawRepresentable, Hashable, Comparable, Codable, Sendable, CustomStringConvertible,
    CodingKeyRepresentable
{
    /// The name.
    public let rawValue: String
    /// A class of that name.
    public init(rawValue: String) { self.rawValue = rawValue }
    /// A class of that name.
    public init(_ name: String) { rawValue = name }
    /// The name.
    public var description: String { rawValue }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Shared processors.
    public static let vcpu = Self("VCPU")
    /// Memory in MiB.
    public static let memoryMiB = Self("MEMORY_MB")
    /// Disk in GiB.
    public static let diskGiB = Self("DISK_GB")
}

/// How much of one resource class a provider offers, and under which rules.
public struct ResourceInventory: Hashable, Codable, Sendable {
    /// All there is, in the class's unit.
    public var total: Int
    /// Kept back for the host itself.
    public var reserved: Int
    /// The least that one consumer may ask for.
    public var minUnit: Int
    /// The most that one consumer may have.
    public var maxUnit: Int
    /// Amounts must be a multiple of this.
    public var stepSize: Int
    /// Over-commitment: capacity is (total − reserved) × ratio.
    public var allocationRatio: Double

    /// An inventory; by default one unit steps, up to all, without over-commitment.
    public init(
        total: Int, reserved: Int = 0, minUnit: Int = 1, maxUnit: Int? = nil, stepSize: Int = 1,
        allocationRatio: Double = 1
    ) {
        self.total = total
        self.reserved = reserved
        self.minUnit = minUnit
        self.maxUnit = maxUnit ?? total
        self.stepSize = stepSize
        self.allocationRatio = allocationRatio
    }
}

import ComputeModel
import ServiceInterfaces

extension HostFilter {
    /// Architecture, hypervisor type, machine mode and hypervisor version that the image asks for.
    static let imageProperties = HostFilter("ImagePropertiesFilter") { host, spec in
        guard let image = spec.image else { return nil }
        let wanted = GuestKind(image.properties)
        guard !wanted.isAny else { return nil }
        let offered = host.inventory.supportedGuests
        guard offered.contains(where: wanted.isMet) else {
            let has = offered.map { "\($0.architecture)/\($0.hypervisorType)/\($0.machineMode)" }
            return "the image asks for \(wanted); it runs \(has.isEmpty ? "nothing" : has.joined(separator: ", "))"
        }
        guard let text = image.properties["img_hv_requested_version"] ?? image.properties["hypervisor_version_requires"]
        else { return nil }
        let version = host.inventory.hypervisorVersion
        guard let range = VersionRange(text) else { return "the image asks for a version that is none: \(text)" }
        guard version > 0, !range.contains(version) else { return nil }
        return "the image asks for a hypervisor of version \(text); it has \(VersionRange.text(version))"
    }
}

/// What an image says of the machine that it runs on; `nil` leaves a thing open. In the reference's canonical words.
struct GuestKind: Sendable, CustomStringConvertible {
    let architecture: String?
    let hypervisor: String?
    let mode: String?

    init(_ properties: [String: String]) {
        func first(_ names: String...) -> String? {
            names.lazy.compactMap { properties[$0] }.first { !$0.isEmpty }
        }
        architecture = first("hw_architecture", "architecture").map(Self.architecture)
        hypervisor = first("img_hv_type", "hypervisor_type").map(Self.hypervisor)
        mode = first("hw_vm_mode", "vm_mode").map(Self.mode)
    }

    var isAny: Bool { architecture == nil && hypervisor == nil && mode == nil }

    func isMet(by guest: SupportedGuest) -> Bool {
        (architecture.map { $0 == Self.architecture(guest.architecture) } ?? true)
            && (hypervisor.map { $0 == Self.hypervisor(guest.hypervisorType) } ?? true)
            && (mode.map { $0 == Self.mode(guest.machineMode) } ?? true)
    }

    var description: String { [architecture, hypervisor, mode].map { $0 ?? "any" }.joined(separator: "/") }

    /// `amd64` and `i386` have other names here.
    static func architecture(_ text: String) -> String {
        switch text.lowercased() {
        case "i386", "i486", "i586", "x86_32": "i686"
        case "amd64", "x86-64": "x86_64"
        case let other: other
        }
    }

    private static func hypervisor(_ text: String) -> String {
        let name = text.lowercased()
        return name == "xapi" ? "xen" : name
    }

    private static func mode(_ text: String) -> String {
        switch text.lowercased() {
        case "pv": "xen"
        case "hv", "baremetal": "hvm"
        case let other: other
        }
    }
}

/// Versions that an image runs with: comparisons that must all hold, `>=6.0, <6.2`.
struct VersionRange: Sendable {
    private let parts: [(operation: String, version: Int)]

    /// Reads a range; `nil` for a text that is none.
    init?(_ text: String) {
        var parts: [(String, Int)] = []
        for part in text.split(separator: ",") {
            let trimmed = part.filter { !$0.isWhitespace }
            let operation = String(trimmed.prefix { "<>=!".contains($0) })
            guard ["<", "<=", "==", "!=", ">=", ">"].contains(operation),
                let version = Self.number(trimmed.dropFirst(operation.count))
            else { return nil }
            parts.append((operation, version))
        }
        guard !parts.isEmpty else { return nil }
        self.parts = parts
    }

    /// - Parameter version: as one number, major × 1 000 000 + minor × 1 000 + release.
    func contains(_ version: Int) -> Bool {
        parts.allSatisfy { part in
            switch part.operation {
            case "<": version < part.version
            case "<=": version <= part.version
            case "==": version == part.version
            case "!=": version != part.version
            case ">": version > part.version
            default: version >= part.version
            }
        }
    }

    /// `8003000` as `8.3.0`.
    static func text(_ version: Int) -> String {
        "\(version / 1_000_000).\(version / 1_000 % 1_000).\(version % 1_000)"
    }

    private static func number(_ text: Substring) -> Int? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...3).contains(parts.count) else { return nil }
        var number = 0
        for index in 0..<3 {
            guard index < parts.count else {
                number *= 1000
                continue
            }
            guard let part = parts[index], (0..<1000).contains(part) else { return nil }
            number = number * 1000 + part
        }
        return number
    }
}

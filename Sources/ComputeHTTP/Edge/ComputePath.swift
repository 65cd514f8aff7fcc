/// A path below the mount, taken apart: base, project, rest.
struct ComputePath: Equatable {
    /// True below `/v2`: no microversions, and members that a schema does not know are overlooked.
    let isLegacy: Bool
    /// The first segment: `v2` or `v2.1`.
    let base: String
    /// The project that the path names, if it does. Identifiers of projects are hexadecimal, with or without dashes;
    /// no name of a resource is.
    let project: String?
    /// What follows.
    let segments: [String]

    init(_ all: [String]) {
        base = all.first ?? ""
        isLegacy = base == "v2"
        var rest = all.dropFirst()
        if let first = rest.first, Self.isProject(first) {
            project = first
            rest = rest.dropFirst()
        } else {
            project = nil
        }
        segments = Array(rest)
    }

    private static func isProject(_ segment: String) -> Bool {
        !segment.isEmpty
            && segment.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) || byte == 0x2D
            }
    }
}

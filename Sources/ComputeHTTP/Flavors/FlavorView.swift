import APIVersioning
import ComputeStore
import WireJSON

/// A flavor together with what an answer about it needs.
final class FlavorSubject: Sendable {
    let flavor: FlavorRecord
    let links: Links
    /// Whether the caller may see extra specs.
    let showsExtraSpecs: Bool

    init(_ flavor: FlavorRecord, _ links: Links, showsExtraSpecs: Bool) {
        (self.flavor, self.links, self.showsExtraSpecs) = (flavor, links, showsExtraSpecs)
    }
}

/// How flavors are shown, by member and microversion.
enum FlavorView {
    private typealias Field = ViewField<FlavorSubject>

    /// In a list without details.
    static let brief = View<FlavorSubject>(identity + described)

    /// In full.
    static let full = View<FlavorSubject>(
        identity + [
            Field("ram", always) { $1.int($0.flavor.memoryMiB) },
            Field("disk", always) { $1.int($0.flavor.rootGiB) },
            Field("swap", always.until(v(75))) { subject, w in
                if subject.flavor.swapMiB == 0 { w.string("") } else { w.int(subject.flavor.swapMiB) }
            },
            Field("swap", .since(v(75))) { $1.int($0.flavor.swapMiB) },
            Field("OS-FLV-EXT-DATA:ephemeral", always) { $1.int($0.flavor.ephemeralGiB) },
            Field("OS-FLV-DISABLED:disabled", always.until(v(102))) { $1.bool($0.flavor.isDisabled) },
            Field("vcpus", always) { $1.int($0.flavor.vcpus) },
            Field("os-flavor-access:is_public", always) { $1.bool($0.flavor.isPublic) },
            Field("rxtx_factor", always.until(v(102))) { $1.double($0.flavor.rxtxFactor) },
        ] + described + [
            Field("extra_specs", .since(v(61)), when: { $0.showsExtraSpecs }) { subject, w in
                w.object { ExtraSpecController.write(subject.flavor.extraSpecs, to: &$0) }
            }
        ])

    private static let identity: [Field] = [
        Field("id", always) { $1.string($0.flavor.flavorID) },
        Field("name", always) { $1.string($0.flavor.name) },
        Field("links", always) { subject, w in
            w.array { w in
                let path = "/flavors/\(subject.flavor.flavorID)"
                Links.write("self", subject.links.selfBase + path, to: &w)
                Links.write("bookmark", subject.links.bookmarkBase + path, to: &w)
            }
        },
    ]

    private static let described: [Field] = [
        Field("description", .since(v(55))) { $1.string($0.flavor.description) }
    ]
}

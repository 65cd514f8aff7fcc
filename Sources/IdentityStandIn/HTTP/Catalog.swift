import WireJSON

/// A service in the catalog: where clients find it.
package struct CatalogService: Sendable, Hashable {
    /// `compute`
    package var type: String
    /// `nova`
    package var name: String
    /// Path below the deployment's address: `/compute/v2.1`; or a whole address.
    package var location: String

    package init(type: String, name: String, location: String) {
        (self.type, self.name, self.location) = (type, name, location)
    }

    /// An identifier that stays the same.
    var id: String { Self.stableID("service/\(type)/\(name)") }

    func url(below base: String) -> String { location.contains("://") ? location : base + location }

    /// The service as the catalog of a token shows it.
    func json(base: String, region: String) -> JSONValue {
        let endpoints: [JSONValue] = ["public", "internal", "admin"].map { interface in
            [
                "id": .string(Self.stableID("endpoint/\(type)/\(interface)")), "interface": .string(interface),
                "region_id": .string(region), "region": .string(region), "url": .string(url(below: base)),
            ]
        }
        return [
            "endpoints": .array(endpoints), "id": .string(id), "type": .string(type), "name": .string(name),
        ]
    }

    /// 32 digits that follow from a text (FNV-1a, twice with different bases): names need no secrecy.
    private static func stableID(_ text: String) -> String {
        func hash(_ basis: UInt64) -> String {
            var value = basis
            for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 16 - digits.utf8.count) + digits
        }
        return hash(0xcbf2_9ce4_8422_2325) + hash(0x8422_2325_cbf2_9ce4)
    }
}

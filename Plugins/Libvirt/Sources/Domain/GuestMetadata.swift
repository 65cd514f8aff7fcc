import ComputeModel

/// Our element in a domain's metadata: it makes a guest ours, and tells people at the hypervisor whose it is.
enum GuestMetadata {
    /// The element's namespace.
    static let namespace = "urn:kilonova:libvirt:guest:1"
    private static let prefix = "kilonova"

    /// The element for a guest.
    static func element(_ spec: GuestSpec, node: String, operation: Int64) -> XMLElement {
        var guest = XMLElement("\(prefix):guest", ["xmlns:\(prefix)": namespace])
        guest.add(XMLElement("\(prefix):name", text: spec.name))
        guest.add(XMLElement("\(prefix):node", text: node))
        guest.add(XMLElement("\(prefix):operation", text: "\(operation)"))
        guest.add(
            XMLElement(
                "\(prefix):owner", [:],
                [
                    XMLElement("\(prefix):user", text: spec.userID),
                    XMLElement("\(prefix):project", text: spec.projectID),
                ]))
        let flavor = spec.flavor
        guest.add(
            XMLElement(
                "\(prefix):flavor", ["id": flavor.flavorID, "name": flavor.name],
                [
                    XMLElement("\(prefix):vcpus", text: "\(flavor.vcpus)"),
                    XMLElement("\(prefix):memory", ["unit": "MiB"], text: "\(flavor.memoryMiB)"),
                    XMLElement("\(prefix):root", ["unit": "GiB"], text: "\(flavor.rootGiB)"),
                    XMLElement("\(prefix):ephemeral", ["unit": "GiB"], text: "\(flavor.ephemeralGiB)"),
                    XMLElement("\(prefix):swap", ["unit": "MiB"], text: "\(flavor.swapMiB)"),
                ]))
        if let image = spec.image {
            guest.add(XMLElement("\(prefix):image", ["id": image.id.description], text: image.name))
        }
        return guest
    }

    /// Whether an element read from a domain is ours. libvirt gives it back without the prefix.
    static func isOurs(_ xml: String?) -> Bool {
        guard let xml, let element = try? XMLReader.parse(xml) else { return false }
        return element.name == "guest" || element.name.hasSuffix(":guest")
    }
}

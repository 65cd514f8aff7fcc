import DriverAPI

/// Some properties of one object, by path.
struct ObjectProperties: Hashable, Sendable {
    let reference: ManagedReference
    var values: [String: XMLElement]

    subscript(_ path: String) -> XMLElement? { values[path] }
    func string(_ path: String) -> String? { values[path]?.text }
    func int(_ path: String) -> Int? { values[path]?.int }
}

/// Which properties of which objects are wanted: a `PropertyFilterSpec`.
struct PropertyQuery: Hashable, Sendable {
    /// Paths by type of object.
    var paths: [String: [String]]
    var roots: [ManagedReference]
    /// How to go on from the roots; empty for the roots alone.
    var steps: [Step] = []

    /// From objects of a type along a property that refers to others.
    struct Step: Hashable, Sendable {
        let name: String
        let type: String
        let path: String
        /// Names of the steps taken from what was found.
        let next: [String]
    }

    /// Everything in a cluster that the driver looks at.
    static func cluster(_ cluster: ManagedReference, _ paths: [String: [String]]) -> PropertyQuery {
        PropertyQuery(
            paths: paths, roots: [cluster],
            steps: [
                Step(name: "hosts", type: "ComputeResource", path: "host", next: []),
                Step(name: "datastores", type: "ComputeResource", path: "datastore", next: []),
                Step(name: "root", type: "ComputeResource", path: "resourcePool", next: ["pools", "machines"]),
                Step(name: "pools", type: "ResourcePool", path: "resourcePool", next: ["pools", "machines"]),
                Step(name: "machines", type: "ResourcePool", path: "vm", next: []),
            ])
    }

    func element(_ name: String) -> XMLElement {
        let properties = paths.sorted { $0.key < $1.key }.map { type, paths in
            XMLElement(
                "propSet",
                [XMLElement("type", type), XMLElement("all", false)] + paths.map { XMLElement("pathSet", $0) })
        }
        let selections = steps.map { step in
            XMLElement(
                "selectSet", type: "TraversalSpec",
                [
                    XMLElement("name", step.name), XMLElement("type", step.type), XMLElement("path", step.path),
                    XMLElement("skip", false),
                ] + step.next.map { XMLElement("selectSet", type: "SelectionSpec", [XMLElement("name", $0)]) })
        }
        let objects = roots.map {
            XMLElement("objectSet", [$0.element("obj"), XMLElement("skip", false)] + selections)
        }
        return XMLElement(name, properties + objects)
    }
}

extension VCenterClient {
    /// The wanted properties as they are now. Objects that vanish meanwhile are left out.
    ///
    /// - Throws: an error of kind `failed` for a server whose list does not end.
    func retrieve(_ query: PropertyQuery, pageMax: Int = 100) async throws(VimFailure) -> [ObjectProperties] {
        let options = XMLElement("options", [XMLElement("maxObjects", pageMax)])
        var answer = try await call(
            "RetrievePropertiesEx", content.propertyCollector, [query.element("specSet"), options], isRead: true)
        var found: [ObjectProperties] = []
        var emptyPages = 0
        while let result = answer["returnval"] {
            let before = found.count
            for object in result.all("objects") {
                guard let reference = object["obj"]?.reference else { continue }
                found.append(ObjectProperties(reference: reference, values: Self.values(object.all("propSet"))))
            }
            guard let token = result["token"]?.text, !token.isEmpty else { break }
            emptyPages = found.count == before ? emptyPages + 1 : 0
            guard emptyPages < 10, found.count <= Mirror.objectsMax else {
                throw .driver(
                    .failed(
                        "vCenter \(endpoint.authority) lists more than \(Mirror.objectsMax) objects, or pages without "
                            + "any; that is no list that ends"))
            }
            answer = try await call(
                "ContinueRetrievePropertiesEx", content.propertyCollector, [XMLElement("token", token)])
        }
        return found
    }

    /// Some properties of one object.
    ///
    /// - Throws: a fault of kind `managedObjectNotFound` when the object is gone.
    func properties(
        _ paths: [String], of object: ManagedReference
    ) async throws(VimFailure) -> ObjectProperties {
        let found = try await retrieve(PropertyQuery(paths: [object.type: paths], roots: [object]))
        guard let first = found.first else {
            throw .fault(
                VimFault(type: "ManagedObjectNotFound", message: "\(object) is gone"), during: "reading \(object)")
        }
        return first
    }

    static func values(_ properties: [XMLElement]) -> [String: XMLElement] {
        var values: [String: XMLElement] = [:]
        for property in properties {
            if let name = property.string("name"), let value = property["val"] { values[name] = value }
        }
        return values
    }
}

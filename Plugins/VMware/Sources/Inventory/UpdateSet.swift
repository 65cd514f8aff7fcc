import DriverAPI

/// What a `WaitForUpdatesEx` tells: which objects came, changed or went.
struct UpdateSet: Hashable, Sendable {
    struct Object: Hashable, Sendable {
        let reference: ManagedReference
        let isGone: Bool
        /// New values by path; `nil` for a property that is unset now.
        let changes: [String: XMLElement?]
    }
    /// What the next call must present.
    let version: String
    /// Whether more waits to be fetched.
    let isTruncated: Bool
    let objects: [Object]

    init(_ element: XMLElement) {
        version = element.string("version") ?? ""
        isTruncated = element["truncated"]?.bool ?? false
        objects = element.all("filterSet").flatMap { $0.all("objectSet") }.compactMap { object in
            guard let reference = object["obj"]?.reference else { return nil }
            var changes: [String: XMLElement?] = [:]
            for change in object.all("changeSet") {
                guard let name = change.string("name") else { continue }
                let isUnset = change.string("op") == "remove" || change.string("op") == "indirectRemove"
                changes.updateValue(isUnset ? nil : change["val"], forKey: name)
            }
            return Object(reference: reference, isGone: object.string("kind") == "leave", changes: changes)
        }
    }
}

extension VCenterClient {
    /// Most objects in one answer; more come in the next.
    private static let updatesMax = 1000

    /// A collector with filters of its own, so that waiting on it hinders nobody.
    func makeCollector(_ queries: [PropertyQuery]) async throws(VimFailure) -> ManagedReference {
        let answer = try await call("CreatePropertyCollector", content.propertyCollector)
        guard let collector = answer["returnval"]?.reference else {
            throw .driver(.failed("vCenter \(endpoint.authority) made no property collector"))
        }
        for query in queries {
            _ = try await call("CreateFilter", collector, [query.element("spec"), XMLElement("partialUpdates", false)])
        }
        return collector
    }

    /// Waits for changes since `version` ("" for everything as it is now).
    ///
    /// - Returns: `nil` when nothing changed within the time.
    func waitForUpdates(
        _ collector: ManagedReference, since version: String, seconds: Int
    ) async throws(VimFailure) -> UpdateSet? {
        let options = XMLElement(
            "options", [XMLElement("maxWaitSeconds", seconds), XMLElement("maxObjectUpdates", Self.updatesMax)])
        let answer = try await call(
            "WaitForUpdatesEx", collector, [XMLElement("version", version), options],
            timeout: .seconds(seconds + 30))
        return answer["returnval"].map { UpdateSet($0) }
    }
}

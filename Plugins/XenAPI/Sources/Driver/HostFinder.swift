import DriverAPI

/// Finds the pool's host that a node stands for.
struct HostFinder: Sendable {
    let client: XenClient

    /// The oldest product whose interface has all that this driver calls (disk transfers, migration of storage).
    static let oldestVersion = 7_000_000

    /// - Throws: ``DriverError/badConfiguration(_:)`` when no host is the node's, or it is too old.
    func find() async throws(DriverError) -> XenAPIDriver.Place {
        let (place, record) = try await choose()
        let software = record["software_version"].textMap
        let version = software["product_version"] ?? ""
        let number = InventorySource.version(version)
        // A host that does not tell its version is not refused for it.
        guard number == 0 || number >= Self.oldestVersion else {
            throw .badConfiguration(
                "[xenserver] connection_url = \(client.options.endpoint): host \(place.name) runs "
                    + "\(software["product_brand"] ?? "XenServer") \(version); this driver needs 7.0 or newer")
        }
        return place
    }

    private func choose() async throws(DriverError) -> (XenAPIDriver.Place, XenValue) {
        let records = try await client.call("host.get_all_records", [], "list the pool's hosts").map
        let options = client.options
        if let wanted = options.hostName {
            let found = records.filter { Self.matches($0.value, wanted) }
            guard found.count == 1, let host = found.first else {
                throw .badConfiguration(
                    "[xenserver] pool_host = \(wanted) names \(found.count) hosts of the pool; it has "
                        + Self.names(records) + ": name one of them by UUID, name or address")
            }
            return (place(host.key, host.value), host.value)
        }
        // A member of a pool has sent the login on to the master: the node is the member, not the master.
        let session = try await client.session()
        if session.endpoint == options.endpoint {
            let this = try await client.call(
                "session.get_this_host", [.text(session.reference)], "say which host it is"
            ).text
            if let record = records[this] { return (place(this, record), record) }
        }
        let found = records.filter { Self.matches($0.value, options.endpoint.host) }
        if found.count == 1, let host = found.first { return (place(host.key, host.value), host.value) }
        if records.count == 1, let host = records.first { return (place(host.key, host.value), host.value) }
        throw .badConfiguration(
            "[xenserver] connection_url = \(options.endpoint) is none of the pool's hosts by name or address ("
                + Self.names(records) + "); set pool_host to the one that this node stands for")
    }

    private static func matches(_ host: XenValue, _ wanted: String) -> Bool {
        ["uuid", "name_label", "hostname", "address"].contains { host[$0].text == wanted }
    }

    private static func names(_ records: [String: XenValue]) -> String {
        records.values.map { "\($0["name_label"].text) at \($0["address"].text)" }.sorted().joined(separator: ", ")
    }

    private func place(_ reference: String, _ record: XenValue) -> XenAPIDriver.Place {
        let address = record["address"].text
        let configured = client.options.endpoint
        // The name in the configuration is the one that the certificate was made for.
        let isConfigured = client.knownSession?.endpoint == configured || Self.matches(record, configured.host)
        let endpoint =
            address.isEmpty || isConfigured && Self.matches(record, configured.host)
            ? configured : configured.at(address)
        return XenAPIDriver.Place(
            reference: reference, uuid: record["uuid"].text, name: record["name_label"].text, endpoint: endpoint)
    }
}

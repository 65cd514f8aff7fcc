import DriverAPI

/// Storage repositories of the pool as this node sees them.
struct Repositories: Sendable {
    let client: XenClient
    let place: XenAPIDriver.Place

    struct Repository: Hashable, Sendable {
        let reference: String
        let uuid: String
        let name: String
        let isShared: Bool
        let bytes: UInt64
        let freeBytes: UInt64
    }

    /// The repository of the guests' disks, as the filter says.
    ///
    /// - Throws: ``DriverError/badConfiguration(_:)`` when there is none that this host reaches.
    func guests() async throws(DriverError) -> Repository {
        let option = "[xenserver] sr_matching_filter"
        switch client.options.repository {
        case .poolDefault:
            let pools = try await client.call("pool.get_all_records", [], "describe the pool").map
            let wanted = pools.values.compactMap { $0["default_SR"].reference }.first
            guard let wanted else {
                throw .badConfiguration(
                    "\(option) = default-sr:true, but the pool has no default storage; choose one in the pool, or "
                        + "write another filter")
            }
            guard let found = try await repository(wanted) else {
                throw .badConfiguration("\(option): the host \(place.name) does not reach the pool's default storage")
            }
            return found
        case .uuid(let uuid):
            let found = try await client.call("SR.get_by_uuid", [.text(uuid)], accepting: ["UUID_INVALID"])
            guard let reference = found?.reference, let repository = try await repository(reference) else {
                throw .badConfiguration("\(option) = uuid:\(uuid) is no storage that the host \(place.name) reaches")
            }
            return repository
        case .name(let name):
            return try await first("\(option) = name-label:\(name)") { $0["name_label"].text == name }
        case .otherConfig(let key, let value):
            return try await first("\(option) = other-config:\(key)=\(value)") {
                $0["other_config"][key].text == value
            }
        }
    }

    /// A repository that this host reaches; `nil` when it does not.
    func repository(_ reference: String) async throws(DriverError) -> Repository? {
        guard
            let record = try await client.call(
                "SR.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe storage")
        else { return nil }
        guard try await isReached(record, by: place.reference) else { return nil }
        return Self.repository(reference, record)
    }

    private func first(_ option: String, _ matches: (XenValue) -> Bool) async throws(DriverError) -> Repository {
        let all = try await client.call("SR.get_all_records", [], "list storage").map
        for (reference, record) in all.sorted(by: { $0.value["uuid"].text < $1.value["uuid"].text })
        where matches(record) {
            if try await isReached(record, by: place.reference) { return Self.repository(reference, record) }
        }
        throw .badConfiguration("\(option) matches no storage that the host \(place.name) reaches")
    }

    /// Whether a host is connected to a repository.
    func isReached(_ repository: XenValue, by host: String) async throws(DriverError) -> Bool {
        for connection in repository["PBDs"].texts {
            let record = try await client.call(
                "PBD.get_record", [.text(connection)], accepting: ["HANDLE_INVALID"], "describe a storage connection")
            if let record, record["host"].text == host, record["currently_attached"].truth { return true }
        }
        return false
    }

    private static func repository(_ reference: String, _ record: XenValue) -> Repository {
        let size = UInt64(clamping: record["physical_size"].integer ?? 0)
        let used = UInt64(clamping: record["physical_utilisation"].integer ?? 0)
        return Repository(
            reference: reference, uuid: record["uuid"].text, name: record["name_label"].text,
            isShared: record["shared"].truth, bytes: size, freeBytes: size > used ? size - used : 0)
    }
}

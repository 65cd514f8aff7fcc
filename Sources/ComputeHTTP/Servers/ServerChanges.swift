import ComputeStore
import WireJSON

/// What a `PUT /servers/{id}` changes.
struct ServerChanges {
    /// In the store's form.
    private(set) var stored = InstanceChanges()

    /// - Throws: a 409 for a zone to which the server cannot be pinned.
    init(_ call: ComputeCall, _ server: InstanceRecord) throws(ComputeFault) {
        guard let body = call.body["server"] else { return }
        stored.name = body["name"]?.string?.trimmingSpaces
        stored.hostname = body["hostname"]?.string
        stored.autoDiskConfig = body["OS-DCF:diskConfig"]?.string.map { $0 == "AUTO" }
        if let description = body["description"] { stored.description = .some(description.string) }
        if let address = body["accessIPv4"] { stored.accessIPv4 = .some(address.string) }
        if let address = body["accessIPv6"] { stored.accessIPv6 = .some(address.string) }
        if let zone = body["pinned_availability_zone"] { try pin(server, to: zone.string) }
    }

    /// A server can be let go, or be pinned to where it is; never from one zone to another.
    private mutating func pin(_ server: InstanceRecord, to zone: String?) throws(ComputeFault) {
        guard let zone else {
            stored.pinnedZone = .some(nil)
            return
        }
        if let pinned = server.pinnedZone {
            guard pinned == zone else {
                throw .conflict(
                    "Cannot change pinned availability zone directly. Unpin first by setting "
                        + "pinned_availability_zone to null.")
            }
            return
        }
        guard zone == server.availabilityZone else {
            throw .conflict(
                "Server can only be pinned to its current availability zone '\(server.availabilityZone ?? "None")', "
                    + "but '\(zone)' was requested.")
        }
        stored.pinnedZone = .some(zone)
    }
}

extension String {
    /// Without white space at both ends.
    var trimmingSpaces: String {
        let head = drop(while: \.isWhitespace)
        return String(head.reversed().drop(while: \.isWhitespace).reversed())
    }
}

import ComputeModel
import DriverAPI
import FoundationEssentials

/// What stands in a ``GuestHandle``: the guest's identifier and its name at the hypervisor, as small JSON.
struct GuestIdentity: Hashable, Codable, Sendable {
    /// The form written now.
    static let version = 1

    let guest: GuestID
    let domain: String

    /// The identity of a guest of ours.
    init(_ guest: GuestID) { (self.guest, domain) = (guest, DomainDefinition.name(of: guest)) }

    /// Reads a handle; `nil` for a form that this driver does not know.
    init?(_ handle: GuestHandle) {
        guard handle.version == Self.version,
            let identity = try? JSONDecoder().decode(Self.self, from: Data(handle.data))
        else { return nil }
        self = identity
    }

    /// The handle that the host keeps.
    var handle: GuestHandle {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return GuestHandle(version: Self.version, data: (try? encoder.encode(self)).map { Array($0) } ?? [])
    }
}

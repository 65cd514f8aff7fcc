import ComputeModel
package import DriverAPI
import DriverSupport

/// The list of all guests apart from a driver, so that it can be measured on libvirt's own test driver, which has no
/// capabilities with which a ``LibvirtDriver`` could start.
package struct GuestListing: Sendable {
    private let session: LibvirtSession

    /// Connects to a daemon, or to a driver inside this process (`test:///default`).
    package init(uri: String) async throws(DriverError) {
        session = LibvirtSession(uri: uri, threads: BlockingThreads(count: 1), log: { _, _, _ in })
        try await session.open()
    }

    /// All guests with their states, as ``LibvirtDriver/guests()`` lists them.
    package func read() async throws(DriverError) -> [GuestSummary] {
        try await session.read { connection throws(LibvirtFailure) in try Self.all(connection) }
    }

    /// Ends the connection.
    package func close() async { await session.close() }

    /// All guests of a connection.
    static func all(_ connection: LibvirtConnection) throws(LibvirtFailure) -> [GuestSummary] {
        var found: [GuestSummary] = []
        try connection.eachDomain { (domain) throws(LibvirtFailure) in
            guard let id = domain.id else { return }
            found.append(
                GuestSummary(
                    id: id, name: domain.name, power: try domain.powerState(),
                    isOurs: GuestMetadata.isOurs(try domain.metadata())))
        }
        return found
    }
}

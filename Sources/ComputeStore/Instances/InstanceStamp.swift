package import ComputeModel
import Database

/// Which state of a server's row was seen: equal stamps mean equal rows, in every process.
///
/// The row's number is never used again, and the revision grows with every change that users can see.
package struct InstanceStamp: Sendable, Hashable {
    package let number: Int64
    package let revision: Int64
    package let id: InstanceID
    /// Where it runs; what is known of the host is not part of the row.
    package let host: String?

    package init(number: Int64, revision: Int64, id: InstanceID, host: String?) {
        (self.number, self.revision, self.id, self.host) = (number, revision, id, host)
    }

    /// The columns in the order in which ``init(row:)`` reads them.
    static let columns: SQL = "number, revision, uuid, host"

    init(row: SQLRow) throws {
        self.init(
            number: try row.int64(0), revision: try row.int64(1), id: try row.identifier(2),
            host: try row.optionalString(3))
    }

    /// Part of every statement that changes what users see of a server.
    static let renewal: SQL = "revision = revision + 1"
}

/// A server in a list.
package enum ListedInstance<Known: Sendable>: Sendable {
    /// What the caller kept of it is current.
    case known(Known)
    /// The row, and its stamp.
    case row(InstanceRecord, InstanceStamp)
}

/// What a list without details shows of a server.
package struct InstanceName: Sendable, Hashable {
    package let id: InstanceID
    package let name: String

    package init(id: InstanceID, name: String) { (self.id, self.name) = (id, name) }
}

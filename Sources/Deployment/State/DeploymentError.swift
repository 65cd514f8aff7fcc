/// Why a process cannot start or go on, in one sentence with the remedy.
package struct DeploymentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of trouble, as the process's exit status tells it (sysexits).
    package enum Kind: Int32, Sendable {
        /// Something that is needed is not there: a port, a directory, a hypervisor.
        case unavailable = 69
        /// The configuration cannot be used.
        case configuration = 78
    }
    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }
}

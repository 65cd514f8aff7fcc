/// A command that did not do what was asked.
package struct HostCommandFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong.
    package enum Reason: Hashable, Sendable {
        /// There is no such program.
        case missing
        /// It could not be started; the system's error number.
        case notStarted(Int32)
        /// It was still running when its time was over, and was ended.
        case timedOut(Duration)
        /// It ended with this status.
        case status(Int32)
        /// A signal ended it.
        case signal(Int32)
    }

    package let command: String
    package let reason: Reason
    /// The last lines it wrote to its standard error.
    package let complaint: String

    package init(command: String, reason: Reason, complaint: String = "") {
        (self.command, self.reason, self.complaint) = (command, reason, complaint)
    }

    package var description: String {
        let said = complaint.isEmpty ? "" : ": \(complaint)"
        return switch reason {
        case .missing: "\(command): there is no such program on this host"
        case .notStarted(let code): "\(command) could not be started: \(systemErrorText(code))"
        case .timedOut(let limit): "\(command) was ended after \(limit)\(said)"
        case .status(let status): "\(command) ended with status \(status)\(said)"
        case .signal(let signal): "\(command) was ended by signal \(signal)\(said)"
        }
    }
}

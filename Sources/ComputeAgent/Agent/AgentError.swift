/// Why an agent cannot work, in one sentence with the remedy.
package enum AgentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Something in the state directory cannot be used.
    case stateDirectory(String)
    /// The driver could not be loaded or started.
    case driver(String)

    package var description: String {
        switch self {
        case .stateDirectory(let text), .driver(let text): text
        }
    }
}

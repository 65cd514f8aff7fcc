package import ComputeModel

/// Why the host's networks could not be made as planned. Each case is one sentence with its remedy.
package enum HostNetworkError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The process lacks these capabilities.
    case notPrivileged([String])
    /// A program is missing; the Debian package that has it.
    case toolMissing(String, package: String)
    /// The kernel lacks something the plan cannot do without.
    case featureMissing(HostFeature, complaint: String)
    /// A command failed.
    case command(HostCommandFailure)
    /// Something with a name of ours exists and belongs to someone else.
    case nameTaken(String, by: String)
    /// A directory that dnsmasq must be able to pass through is closed to others.
    case directoryClosed(String)
    /// The host was changed as planned, and yet is not as planned.
    case didNotHold([String])
    /// The plan has no such network.
    case networkNotPlanned(NetworkID)
    /// The plan has no such port on this network.
    case portNotPlanned(PortID, on: NetworkID)
    /// A call to the system failed.
    case system(what: String, code: Int32)

    package var description: String {
        switch self {
        case .notPrivileged(let names):
            "This process lacks \(names.joined(separator: " and ")); start it as root, or turn the network worker off."
        case .toolMissing(let tool, let package):
            "The program \(tool) is missing; install it with: apt-get install \(package)."
        case .featureMissing(let feature, let complaint):
            "The kernel cannot do \(feature.rawValue); \(feature.remedy)" + (complaint.isEmpty ? "" : " (\(complaint))")
        case .command(let failure):
            "\(failure)"
        case .nameTaken(let name, let owner):
            "\(name) already exists and is not ours (\(owner)); remove or rename it."
        case .directoryClosed(let path):
            "dnsmasq, which gives up root, cannot pass through \(path); make it passable with: chmod o+x \(path)."
        case .didNotHold(let differences):
            "The host's networks were set up and differ from the plan again, so something else is changing them: "
                + differences.prefix(5).joined(separator: ", ") + "."
        case .networkNotPlanned(let network):
            "The network \(network) is not planned for this host."
        case .portNotPlanned(let port, let network):
            "The port \(port) is not planned on the network \(network) of this host."
        case .system(let what, let code):
            "Could not \(what): \(systemErrorText(code))."
        }
    }
}

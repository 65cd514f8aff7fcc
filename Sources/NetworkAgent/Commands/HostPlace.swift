/// Where the host is whose networks are worked on: normally here. A test's host lives in namespaces of its own.
package struct HostPlace: Hashable, Sendable {
    /// What is put before every command, for example `nsenter` with its arguments.
    package let commandPrefix: [String]
    /// The directory under which the host's `/run` is found.
    package let rootDirectory: String
    /// The host's network namespace.
    package let networkNamespace: String

    /// This process's own host.
    package static let here = HostPlace(commandPrefix: [], rootDirectory: "", networkNamespace: "/proc/self/ns/net")

    package init(commandPrefix: [String], rootDirectory: String, networkNamespace: String) {
        (self.commandPrefix, self.rootDirectory) = (commandPrefix, rootDirectory)
        self.networkNamespace = networkNamespace
    }

    /// The file that stands for a named network namespace.
    package func namespacePath(_ name: String) -> String { "\(rootDirectory)/run/netns/\(name)" }
}

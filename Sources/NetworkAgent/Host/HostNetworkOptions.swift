/// How the network worker works on its host.
package struct HostNetworkOptions: Hashable, Sendable {
    /// Marks what is ours: it names the nft tables and is written on devices and namespaces. Two workers on one host
    /// need different owners. Letters, digits and underscores, beginning with a letter.
    package var owner: String
    /// Where files live that matter as long as the host is up. dnsmasq, no longer root then, must be able to pass.
    package var runtimeDirectory: String
    /// The host.
    package var place: HostPlace
    /// Whether external networks reach the rest of the world under the host's own address.
    package var masqueradesExternalNetworks: Bool
    /// How long a guest may keep an address without asking again, in seconds.
    package var leaseSeconds: Int
    /// How long a single command may take.
    package var commandTimeout: Duration

    package init(
        owner: String = "kilonova", runtimeDirectory: String = "/run/kilonova/network", place: HostPlace = .here,
        masqueradesExternalNetworks: Bool = true, leaseSeconds: Int = 86400, commandTimeout: Duration = .seconds(20)
    ) {
        (self.owner, self.runtimeDirectory, self.place) = (owner, runtimeDirectory, place)
        self.masqueradesExternalNetworks = masqueradesExternalNetworks
        (self.leaseSeconds, self.commandTimeout) = (leaseSeconds, commandTimeout)
    }

    var numbersPath: String { "\(runtimeDirectory)/numbers" }
    var rulesPath: String { "\(runtimeDirectory)/rules" }
    func leaseDirectory(_ name: String) -> String { "\(runtimeDirectory)/\(name)" }
}

import CNetworkNamespace
package import ComputeModel

/// The sockets on which guests ask for their metadata.
package enum MetadataSocket {
    /// Where guests look for metadata.
    package static let address = "169.254.169.254"
    private static let number = IPv4Address(number: 0xa9fe_a9fe)

    /// A bound, listening, non-blocking TCP socket on 169.254.169.254:80 inside the namespace of a network.
    ///
    /// The socket stays in that namespace wherever it is served; so who accepts a connection knows its network, and
    /// with the address of the other side the port, also where networks use the same addresses. The caller closes it.
    ///
    /// - Throws: if the namespace or the address is not there (yet), or another socket listens there.
    package static func open(
        inNamespaceOf network: NetworkID, at place: HostPlace = .here, port: UInt16 = 80
    ) throws(HostNetworkError) -> Int32 {
        let name = HostNames.serviceNamespace(network)
        return try open(number, port: port, inNamespaceAt: place.namespacePath(name), called: name)
    }

    /// The same for any address and namespace.
    static func open(
        _ address: IPv4Address, port: UInt16, inNamespaceAt path: String, called name: String
    ) throws(HostNetworkError) -> Int32 {
        let result = kn_listen_in_namespace(path, address.networkOrder, port, 128)
        guard result >= 0 else { throw .system(what: "listen on \(address):\(port) in \(name)", code: -result) }
        return result
    }
}

import CNetworkNamespace

/// Tells the neighbours where an address is now; else they would go on asking its former owner for a while.
enum AddressAnnouncement {
    /// Sends one announcement for each address; answers why it could not, or `nil`.
    static func send(_ addresses: [IPv4Address], from leg: String, namespace: String) -> String? {
        let raw = addresses.map(\.networkOrder)
        let result = kn_announce_in_namespace(namespace, leg, raw, raw.count)
        return result < 0 ? systemErrorText(-result) : nil
    }
}

import DriverAPI

/// Which older versions of messages receivers take, as far as they said so.
final class PeerVersions: Sendable {
    private struct Key: Hashable {
        var name: String
        var address: Address
    }
    private struct Known {
        var version: MessageVersion
        /// Asked again afterwards: the receiver may have been upgraded.
        var until: ContinuousClock.Instant
    }
    private static let memory = Duration.seconds(300)
    private let known = Locked<[Key: Known]>([:])

    /// The version in which a message is sent there.
    func version<Message: RPCMessage>(of message: Message.Type, at address: Address) -> MessageVersion {
        // Most messages have one version, and no look at the table.
        guard Message.oldestVersion < Message.version else { return Message.version }
        return look(Message.name, address) ?? Message.version
    }

    func knows(_ name: String, at address: Address) -> Bool { look(name, address) != nil }

    func remember(_ version: MessageVersion, of name: String, at address: Address) {
        let until = ContinuousClock.now + Self.memory
        known.with { $0[Key(name: name, address: address)] = Known(version: version, until: until) }
    }

    /// A receiver refused a message: what was known of it is wrong.
    func forget(_ name: String) { known.with { known in known = known.filter { $0.key.name != name } } }

    private func look(_ name: String, _ address: Address) -> MessageVersion? {
        let key = Key(name: name, address: address)
        return known.with { known in
            guard let found = known[key] else { return nil }
            guard found.until > .now else {
                known[key] = nil
                return nil
            }
            return found.version
        }
    }
}

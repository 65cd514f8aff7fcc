import DriverAPI

/// Why a node cannot be used, by what found it out. The node counts as down while there is any reason.
final class NodeTroubles: Sendable {
    /// What finds out, in the order in which reasons are told.
    enum Source: Int, CaseIterable, Comparable, Sendable {
        /// The driver says so itself.
        case health
        /// Calls have not come back.
        case calls
        /// Guests of earlier runs were not found.
        case recovery
        /// The driver's description of its node was refused.
        case inventory
        /// What the node is was refused by the services.
        case description
        /// The driver's list of guests was refused.
        case guests
        /// Too many events.
        case events
        /// A stream of the driver's ended.
        case streams

        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }
    /// The most that is told of all reasons together: it goes into a row and into a line of the log.
    static let lengthMax = 1000

    private let reasons = Locked<[Source: String]>([:])
    private let broadcast = NewestValueBroadcast<String?>(.some(nil))

    /// All reasons in one text; `nil` for a node that can be used.
    var summary: String? { broadcast.current ?? nil }

    /// The summary now and whenever it changes; a slow reader gets the newest.
    func changes() -> AsyncStream<String?> { broadcast.stream() }

    /// Sets or clears what one source has found.
    func set(_ source: Source, _ reason: String?) {
        let cleaned = reason.map { $0.oneLine(lengthMax: Self.lengthMax) }
        reasons.with { reasons in
            guard reasons[source] != cleaned else { return }
            reasons[source] = cleaned
            let texts = reasons.sorted { $0.key < $1.key }.map(\.value)
            // Sent under the lock, so that readers see the changes in their order.
            broadcast.send(texts.isEmpty ? nil : texts.joined(separator: "; ").oneLine(lengthMax: Self.lengthMax))
        }
    }
}

extension String {
    /// The text without control characters and cut to a length, for what comes from drivers and hypervisors.
    func oneLine(lengthMax: Int) -> String {
        // Measured in bytes first: counting the characters of an endless text would take its time too.
        let isShort = utf8.count <= lengthMax
        let isClean = unicodeScalars.prefix(lengthMax + 1).allSatisfy { $0.value >= 32 && $0.value != 127 }
        if isShort, isClean { return self }
        var text = ""
        for scalar in unicodeScalars.prefix(lengthMax) {
            text.unicodeScalars.append(scalar.value < 32 || scalar.value == 127 ? " " : scalar)
        }
        return unicodeScalars.dropFirst(lengthMax).isEmpty ? text : text + "…"
    }
}

extension DriverError {
    /// The same error with a text of a length that logs and reports can take.
    func clipped(lengthMax: Int = 4000) -> DriverError {
        guard message.utf8.count > lengthMax else { return self }
        let text = message.oneLine(lengthMax: lengthMax)
        switch self {
        case .noSuchGuest, .cancelled: return self
        case .unreachable: return .unreachable(text)
        case .insufficientResources: return .insufficientResources(text)
        case .imageUnacceptable: return .imageUnacceptable(text)
        case .imageUnavailable: return .imageUnavailable(text)
        case .refused: return .refused(text)
        case .notSupported: return .notSupported(text)
        case .busy: return .busy(text)
        case .timedOut: return .timedOut(text)
        case .stale: return .stale(text)
        case .badConfiguration: return .badConfiguration(text)
        case .failed: return .failed(text)
        }
    }
}

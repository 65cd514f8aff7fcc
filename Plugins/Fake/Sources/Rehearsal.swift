import ComputeModel
import DriverAPI

/// Delays and failures on request.
///
/// Options set them for every guest; server metadata for one:
/// - `fake:spawn:delay` = seconds; likewise `destroy`, `power_on`, `power_off`, `reboot`.
/// - `fake:spawn:fail` = `insufficient_resources`, `image_unacceptable`, `image_unavailable`, `refused`,
///   `not_supported`, `unreachable`, `busy`, `timed_out` or `failed`.
/// - `fake:spawn:fail_first` = n: only the first n attempts on this node fail.
struct Rehearsal: Sendable {
    enum Operation: String {
        case spawn
        case destroy
        case powerOn = "power_on"
        case powerOff = "power_off"
        case reboot
    }

    private let options: FakeOptions
    private let attempts = Locked<[String: Int]>([:])

    init(options: FakeOptions) { self.options = options }

    /// Waits and fails as was asked for.
    func perform(_ operation: Operation, of guest: GuestID, metadata: [String: String]) async throws(DriverError) {
        let name = operation.rawValue
        let delay = metadata["fake:\(name):delay"].flatMap { Double($0) } ?? options.delaySeconds(operation)
        if delay > 0 {
            do {
                try await Task.sleep(for: .seconds(delay))
            } catch {
                throw .cancelled
            }
        }
        guard let kind = metadata["fake:\(name):fail"] ?? options.failure(operation) else { return }
        let key = "\(guest)/\(name)"
        let attempt = attempts.with { attempts in
            attempts[key, default: 0] += 1
            return attempts[key] ?? 0
        }
        if let first = metadata["fake:\(name):fail_first"].flatMap({ Int($0) }), attempt > first { return }
        throw Self.failure(kind, "rehearsed \(name) failure of guest \(guest), attempt \(attempt)")
    }

    private static func failure(_ kind: String, _ text: String) -> DriverError {
        switch kind {
        case "insufficient_resources": .insufficientResources(text)
        case "image_unacceptable": .imageUnacceptable(text)
        case "image_unavailable": .imageUnavailable(text)
        case "refused": .refused(text)
        case "not_supported": .notSupported(text)
        case "unreachable": .unreachable(text)
        case "busy": .busy(text)
        case "timed_out": .timedOut(text)
        case "failed": .failed(text)
        default: .refused("'\(kind)' is not a failure that the fake driver can rehearse")
        }
    }
}

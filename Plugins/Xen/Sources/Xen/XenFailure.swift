import CXen
import ComputeModel
import DriverAPI
import Glibc

/// A call of libxl that failed.
struct XenFailure: Error, Hashable, Sendable {
    /// What was attempted: `make the guest`.
    let call: String
    /// libxl's number.
    let status: Int32
    /// What libxl had to say, in its words.
    let words: [String]

    /// One sentence.
    var message: String {
        let reason = words.isEmpty ? "libxl error \(status)" : words.suffix(3).joined(separator: "; ")
        return "Xen cannot \(call): \(reason)"
    }

    /// What the agent is told.
    var driverError: DriverError {
        let text = message
        if status == ERROR_NOMEM.rawValue { return .insufficientResources(text) }
        if status == ERROR_GUEST_TIMEDOUT.rawValue || status == ERROR_TIMEDOUT.rawValue { return .timedOut(text) }
        return .failed(text)
    }
}

/// What libxl says, by the thread that it says it on.
final class XenWords: Sendable {
    private let lines = Locked<[UInt: [String]]>([:])
    private let log: @Sendable (String) -> Void

    init(log: @escaping @Sendable (String) -> Void) { self.log = log }

    private static var thread: UInt { UInt(bitPattern: pthread_self().hashValue) }

    /// Takes a line; only warnings and worse are kept.
    func take(_ level: Int32, _ text: String) {
        guard level >= Int32(XTL_WARN.rawValue) else { return }
        log(text)
        let thread = Self.thread
        lines.with { lines in
            lines[thread, default: []].append(text)
            if let count = lines[thread]?.count, count > 20 { lines[thread]?.removeFirst(count - 20) }
        }
    }

    /// Takes out what was said on this thread.
    func own() -> [String] {
        let thread = Self.thread
        return lines.with { $0.removeValue(forKey: thread) ?? [] }
    }
}

import DriverAPI

/// The failures that can be rehearsed, by the names that options and metadata use.
enum FailureKind: String, CaseIterable, Sendable {
    case insufficientResources = "insufficient_resources"
    case imageUnacceptable = "image_unacceptable"
    case imageUnavailable = "image_unavailable"
    case refused
    case notSupported = "not_supported"
    case unreachable
    case busy
    case timedOut = "timed_out"
    case failed

    /// The error with a sentence for operators.
    func error(_ text: String) -> DriverError {
        switch self {
        case .insufficientResources: .insufficientResources(text)
        case .imageUnacceptable: .imageUnacceptable(text)
        case .imageUnavailable: .imageUnavailable(text)
        case .refused: .refused(text)
        case .notSupported: .notSupported(text)
        case .unreachable: .unreachable(text)
        case .busy: .busy(text)
        case .timedOut: .timedOut(text)
        case .failed: .failed(text)
        }
    }
}

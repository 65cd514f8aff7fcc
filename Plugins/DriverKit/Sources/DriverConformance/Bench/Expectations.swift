import ComputeModel
import DriverAPI

/// The driver does not do what a case's sentence says.
struct CaseFailure: Error, CustomStringConvertible {
    let description: String
}

/// A case that cannot say anything about the driver here.
struct CaseSkip: Error {
    let outcome: ConformanceReport.Outcome
    let reason: String

    /// The driver does not declare what the case is about.
    static func notDeclared(_ reason: String) -> CaseSkip { CaseSkip(outcome: .notDeclared, reason: reason) }
    /// The place lacks what the case needs.
    static func notShown(_ reason: String) -> CaseSkip { CaseSkip(outcome: .notShown, reason: reason) }
}

/// The cases of ``DriverError`` without what they carry.
enum ErrorKind: String, Sendable {
    case noSuchGuest, unreachable, insufficientResources, imageUnacceptable, imageUnavailable, refused, notSupported
    case busy, timedOut, cancelled, stale, badConfiguration, failed

    init(_ error: DriverError) {
        switch error {
        case .noSuchGuest: self = .noSuchGuest
        case .unreachable: self = .unreachable
        case .insufficientResources: self = .insufficientResources
        case .imageUnacceptable: self = .imageUnacceptable
        case .imageUnavailable: self = .imageUnavailable
        case .refused: self = .refused
        case .notSupported: self = .notSupported
        case .busy: self = .busy
        case .timedOut: self = .timedOut
        case .cancelled: self = .cancelled
        case .stale: self = .stale
        case .badConfiguration: self = .badConfiguration
        case .failed: self = .failed
        }
    }
}

extension ErrorKind {
    /// The kind of any error; `nil` for one that is not typed.
    static func of(_ error: any Error) -> ErrorKind? { (error as? DriverError).map { ErrorKind($0) } }
}

/// An error for people: its case and its sentence.
func told(_ error: any Error) -> String {
    guard let error = error as? DriverError else { return "\(error)" }
    return "\(ErrorKind(error).rawValue) (\(error.message))"
}

/// Fails the case unless the condition holds.
func check(_ condition: Bool, _ failure: @autoclosure () -> String) throws {
    guard condition else { throw CaseFailure(description: failure()) }
}

/// The value, or the failure of the case.
func unwrap<Value>(_ value: Value?, _ failure: @autoclosure () -> String) throws -> Value {
    guard let value else { throw CaseFailure(description: failure()) }
    return value
}

/// Fails the case unless `body` throws one of these errors, with a sentence inside.
@discardableResult
func expectError(
    _ kinds: Set<ErrorKind>, from what: String, _ body: @Sendable () async throws -> Void
) async throws -> DriverError {
    let wanted = kinds.map(\.rawValue).sorted().joined(separator: " or ")
    do {
        try await body()
    } catch let error as DriverError {
        try check(kinds.contains(ErrorKind(error)), "\(what) threw \(told(error)) where \(wanted) belongs")
        try check(!error.message.isEmpty, "\(what) threw \(wanted) without a sentence")
        return error
    }
    throw CaseFailure(description: "\(what) succeeded where \(wanted) belongs")
}

/// Adds what was being done to whatever a call throws.
func doing<Value: Sendable>(_ what: String, _ body: @Sendable () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as DriverError {
        throw CaseFailure(description: "\(what) threw \(told(error))")
    }
}

import PeerClients
import Sagas
import ServiceInterfaces

/// Why a step of an operation failed, and what follows. Its text goes through the saga log, so it can be read back.
struct BuildFailure: Error, CustomStringConvertible {
    let remedy: OperationFailure.Remedy
    /// For users.
    let message: String

    init(_ remedy: OperationFailure.Remedy, _ message: String) { (self.remedy, self.message) = (remedy, message) }

    /// Reads the text of a failure; one that is not ours means giving up.
    init(reason: String) {
        for remedy in [OperationFailure.Remedy.retry, .reschedule, .giveUp] {
            let prefix = "\(remedy.rawValue): "
            if reason.hasPrefix(prefix) {
                self.init(remedy, String(reason.dropFirst(prefix.count)))
                return
            }
        }
        self.init(.giveUp, reason)
    }

    var description: String { "\(remedy.rawValue): \(message)" }
}

/// A failure of a peer that may pass: the engine repeats the step.
struct PassingFailure: TransientFailure, CustomStringConvertible {
    let description: String
}

/// Sorts the errors of peers: those that may pass make the engine repeat the step, the others end it.
func sortingPeerErrors<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
        return try await body()
    } catch let error as PeerError where error.mayPass {
        throw PassingFailure(description: "\(error)")
    } catch let error as PeerError {
        throw BuildFailure(.giveUp, error.message)
    }
}

import ComputeModel
import ComputeStore
import PeerClients
import Sagas
import ServiceInterfaces

/// Why a step of an operation failed, and what follows. Its text goes through the saga log, so it can be read back.
struct BuildFailure: Error, CustomStringConvertible {
    let remedy: OperationFailure.Remedy
    /// For users: one line.
    let message: String
    /// For administrators, with the hypervisor's own words; `nil` when the message says all.
    let details: String?

    init(_ remedy: OperationFailure.Remedy, _ message: String, details: String? = nil) {
        self.remedy = remedy
        self.message = message.replacing("\n", with: " ")
        self.details = details == message ? nil : details
    }

    /// What the report of an agent says.
    init(_ failure: OperationFailure, as remedy: OperationFailure.Remedy) {
        self.init(remedy, failure.userMessage, details: failure.details)
    }

    /// Reads the text of a failure; one that is not ours means giving up.
    init(reason: String) {
        for remedy in [OperationFailure.Remedy.retry, .reschedule, .giveUp] {
            let prefix = "\(remedy.rawValue): "
            if reason.hasPrefix(prefix) {
                let text = reason.dropFirst(prefix.count)
                let line = text.prefix { $0 != "\n" }
                let rest = text.dropFirst(line.count + 1)
                self.init(remedy, String(line), details: rest.isEmpty ? nil : String(rest))
                return
            }
        }
        self.init(.giveUp, reason)
    }

    var description: String { "\(remedy.rawValue): \(message)" + (details.map { "\n\($0)" } ?? "") }

    /// What a server in ERROR shows of it.
    func fault(at time: Timestamp) -> FaultRecord {
        FaultRecord(code: 500, message: String(message.prefix(255)), created: time, details: details ?? message)
    }

    /// What the event of an action records of it.
    var event: (details: String, trace: String) { (message, details ?? message) }
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

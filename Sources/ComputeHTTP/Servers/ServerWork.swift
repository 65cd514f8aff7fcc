import ComputeModel
import ComputeStore
import Identity
import Logging
import Messaging
import ServiceInterfaces

/// Begins work on servers: stored with the change that it belongs to, and hinted to the conductors.
struct ServerWork {
    let call: ComputeCall

    init(_ call: ComputeCall) { self.call = call }

    /// Takes an action on a server together with the saga that will carry it out.
    ///
    /// - Throws: a 409 in the words of the table of states; `StoreError`.
    func begin<Request: Encodable>(
        _ action: InstanceAction, on id: InstanceID, saga name: String, _ request: () -> Request
    ) async throws {
        let saga = try Self.saga(name, about: id, request())
        do {
            try await call.services.store.begin(action, on: id, saga: saga, origin: try call.origin())
        } catch let refusal as ActionRefused {
            throw ComputeFault.conflict(refusal.message(for: id))
        } catch StoreError.changedMeanwhile {
            throw ComputeFault.conflict("Instance \(id) is in an invalid state for '\(action.refusalVerb)'")
        }
        await wake([saga])
    }

    /// A saga about a server, ready to be stored.
    static func saga(_ name: String, about id: InstanceID, _ request: some Encodable) throws -> NewSaga {
        NewSaga(
            id: .random(), name: name, subject: id.description, parametersJSON: try StoredJSON.encode(request))
    }

    /// A request does not wait longer than this for a broker that is away.
    private static let hintPatience = Duration.seconds(1)

    /// Tells conductors that there is work. They find it without being told, so that a failure does not matter.
    func wake(_ sagas: [NewSaga]) async {
        do {
            try await call.services.bus.cast(
                WakeSagas(sagas: sagas.map(\.id)), to: Address(topic: Topic.conductor), deadline: Self.hintPatience,
                origin: call.messageOrigin)
        } catch {
            call.services.logger.debug(
                "no conductor was told of new work",
                metadata: ["request.id": "\(call.context.requestID)", "error": "\(error)"])
        }
    }
}

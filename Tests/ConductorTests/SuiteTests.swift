import ComputeModel
import ComputeStore
import Messaging
import Sagas
import ServiceInterfaces
import Testing

@testable import Conductor

/// Every saga with a failure of every step, with everything done twice, and with a crash and a power failure around
/// every event of its log. Power failures are harder here than they can be: the log forgets, the rows do not.
@Suite(.serialized) struct SuiteTests {
    /// A world in which reports reach the desk without a conductor's executor.
    private func world() async throws -> World {
        let world = try await World()
        let desk = world.services.desk
        _ = try await world.bus.serve(
            topic: Topic.conductor,
            [
                RPCHandler { (message: ReportOperation, _) in
                    await desk.deliver(message)
                    return Acknowledged()
                }
            ])
        return world
    }

    @Test func aBuildOnOneHost() async throws {
        let world = try await world()
        try await SagaSuite.check(BuildOnHost.self) {
            let id = try await world.accept()
            let parameters = BuildOnHost.Parameters(request: world.request(id), excludedHosts: [])
            return SagaScene(services: world.services, parameters: parameters) {
                let row = try await world.row(id)
                let place = "\(row.host ?? "-") \(row.node ?? "-") \(row.addressesJSON == "{}" ? "-" : "wired")"
                let status = "\(row.status.vm) \(row.status.task?.rawValue ?? "-")"
                return "\(status), \(place), \(try await world.holdings(id))"
            }
        }
    }

    @Test func aBuild() async throws {
        let world = try await world()
        try await SagaSuite.check(BuildInstance.self) {
            let id = try await world.accept()
            return SagaScene(
                services: world.services, parameters: world.request(id),
                registerChildren: { await $0.register(BuildOnHost.self, services: world.services) },
                snapshot: {
                    // A build that failed shows ERROR: everything but that is as before.
                    let row = try await world.row(id)
                    let status = row.status.vm == .active ? "active \(row.status.task?.rawValue ?? "-")" : "not built"
                    return "\(status), \(row.host ?? "-"), \(try await world.holdings(id))"
                })
        }
    }

    @Test func aDeletion() async throws {
        let world = try await world()
        try await SagaSuite.check(DeleteInstance.self) {
            let id = try await world.built()
            let status = InstanceStatus(vm: .active, task: nil)
            try await world.store.compareAndSwap(id, from: status, to: InstanceStatus(vm: .active, task: .deleting))
            let parameters = DeleteInstanceRequest(instance: id, requestID: "req-create")
            return SagaScene(services: world.services, parameters: parameters) {
                // A deletion goes forward only; one that failed leaves a server that can be deleted again.
                let row = try await world.row(id)
                return row.isDeleted ? "deleted, \(try await world.holdings(id))" : "there"
            }
        }
    }

    @Test func aChangeOfPower() async throws {
        let world = try await world()
        try await SagaSuite.check(PowerInstance.self) {
            let id = try await world.built()
            let status = InstanceStatus(vm: .active, task: nil)
            try await world.store.compareAndSwap(id, from: status, to: InstanceStatus(vm: .active, task: .poweringOff))
            let parameters = PowerInstanceRequest(instance: id, requestID: "req-create", action: .stop)
            return SagaScene(services: world.services, parameters: parameters) {
                "\(try await world.row(id).status.vm), \(try await world.holdings(id))"
            }
        }
    }
}

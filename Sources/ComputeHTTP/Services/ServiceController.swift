import APIVersioning
import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Messaging
import ServiceInterfaces
import WireJSON

/// Services by their identifiers: list, change, remove.
enum ServiceController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        var services = try await call.services.store.services()
        if let host = call.query.values("host").last, !host.isEmpty { services.removeAll { $0.host != host } }
        if let binary = call.query.values("binary").last, !binary.isEmpty {
            services.removeAll { $0.binary != binary }
        }
        let plan = ServiceView.full.plan(at: call.version)
        return call.answer { w in
            w.array("services") { w in
                for service in services { plan.write(ServiceSubject(service, call), to: &w) }
            }
        }
    }

    static func update(_ call: ComputeCall) async throws -> HTTPResponse {
        let name = call.parameter("service_id")
        guard let id = ServiceID(name) else { throw ComputeFault.badRequest("Invalid uuid \(name)") }
        let missing = ComputeFault.notFound("Service \(name) could not be found.")
        guard let service = try await call.services.store.services().first(where: { $0.id == id }) else {
            throw missing
        }
        try requireCompute(service.binary)
        let change = try ServiceChange(call.body)
        try await change.store(to: service.id, call.services.store)
        guard let changed = try await call.services.store.services().first(where: { $0.id == id }) else {
            throw missing
        }
        return call.answer { w in
            w.key("service")
            ServiceView.full.write(ServiceSubject(changed, call), at: call.version, to: &w)
        }
    }

    /// A compute service goes with its nodes and what placement knows of them. It comes back if it still runs.
    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        let store = call.services.store
        let name = call.parameter("service_id")
        try checkForm(name, call)
        guard
            let service = try await store.services()
                .first(where: { call.has(53) ? $0.id == ServiceID(name) : String($0.number) == name })
        else { throw ComputeFault.notFound("Service \(name) not found.") }
        if service.binary == "nova-compute" {
            let servers = InstanceQuery(conditions: [.host(service.host), .deleted(false)])
            guard try await store.countInstances(servers) == 0 else { throw hostsInstances }
            // Placement first: a provider that stays behind would keep its name from the host when it comes back.
            for node in try await store.computeNodes() where node.host == service.host {
                try await removeProvider(ProviderID(node.id.uuid), call)
            }
        }
        guard case .removed = try await store.removeService(service.id) else { throw hostsInstances }
        return call.answer()
    }

    /// - Throws: a 400 for other services, which nobody schedules to.
    static func requireCompute(_ binary: String) throws(ComputeFault) {
        guard binary == "nova-compute" else {
            throw .badRequest(
                "Updating a \(binary) service is not supported. Only nova-compute services can be updated.")
        }
    }

    private static let hostsInstances = ComputeFault.conflict(
        "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")

    private static func checkForm(_ name: String, _ call: ComputeCall) throws(ComputeFault) {
        if call.has(53) {
            guard ServiceID(name) != nil else { throw .badRequest("Invalid uuid \(name)") }
        } else {
            guard Int(name) != nil else { throw .badRequest("Invalid input received: id must be an integer") }
        }
    }

    private static func removeProvider(_ provider: ProviderID, _ call: ComputeCall) async throws {
        do {
            _ = try await call.services.bus.call(
                RemoveProvider(provider: provider), to: Address(topic: Topic.placement), origin: call.messageOrigin)
        } catch {
            if case .remote(let fault) = error, fault.kind == FaultKind.conflict { throw hostsInstances }
            throw ComputeFault.unavailable("Placement cannot be asked to remove the host's provider: \(error)")
        }
    }
}

/// What a body changes about a service.
struct ServiceChange {
    private let isDisabled: Bool?
    private let reason: String?
    private let isForcedDown: Bool?

    /// - Throws: a 400 for bodies that change nothing, or contradict themselves.
    init(_ body: JSONValue) throws(ComputeFault) {
        isDisabled = body["status"]?.string.map { $0 == "disabled" }
        reason = body["disabled_reason"]?.string
        isForcedDown = body["forced_down"].map { BooleanText.value($0) }
        if isDisabled == false, reason != nil {
            throw .badRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
        }
        if isDisabled == nil, isForcedDown == nil {
            throw .badRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
        }
    }

    /// Stores it.
    func store(to id: ServiceID, _ store: ComputeStore) async throws {
        try await store.updateService(
            id, disabled: isDisabled, disabledReason: isDisabled == nil ? nil : .some(reason),
            forcedDown: isForcedDown)
    }
}

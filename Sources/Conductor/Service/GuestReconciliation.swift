import ComputeModel
import ComputeStore
import Logging
import Messaging
import ServiceInterfaces

/// Makes rows follow what hypervisors say, and removes guests of ours that should not be there any more.
struct GuestReconciliation: Sendable {
    let services: ConductorServices

    /// Takes an agent's report. Repeating it changes nothing.
    func take(_ report: ReportGuests) async throws {
        let held = try await services.store.work(onHost: report.host)
        let byID = Dictionary(held.map { ($0.instance.id, $0) }) { first, _ in first }
        for seen in report.observed {
            if let work = byID[seen.instance] {
                try await follow(work, seen)
            } else {
                try await removeIfUnwanted(seen, on: report.host)
            }
        }
        guard report.complete else { return }
        let present = Set(report.observed.map(\.instance))
        for work in held where !present.contains(work.instance.id) && Self.isBuilt(work.instance.status) {
            try await lost(work)
        }
    }

    private func follow(_ work: InstanceWorkRecord, _ seen: GuestObservation) async throws {
        let vm = Self.state(after: work.instance.status.vm, power: seen.power)
        let changed = try await services.store.observe(
            seen.power, vm: vm, of: work.instance.id, operation: seen.operation)
        if changed {
            services.logger.notice(
                "guest changed by itself",
                metadata: [
                    "instance.id": "\(work.instance.id)", "power": "\(seen.power)", "vm_state": "\(vm.rawValue)",
                ])
        }
    }

    /// What a server is once its guest has this power state. States that a user chose stay.
    static func state(after vm: VMState, power: PowerState) -> VMState {
        switch (vm, power) {
        case (.active, .shutdown), (.active, .crashed), (.active, .noState): .stopped
        case (.stopped, .running): .active
        case (.active, .suspended): .suspended
        case (.active, _), (.stopped, _), (.building, _), (.paused, _), (.suspended, _), (.rescued, _), (.resized, _),
            (.softDeleted, _), (.deleted, _), (.error, _), (.shelved, _), (.shelvedOffloaded, _):
            vm
        }
    }

    private static func isBuilt(_ status: InstanceStatus) -> Bool {
        status.task == nil && (status.vm == .active || status.vm == .stopped || status.vm == .paused)
    }

    /// The hypervisor has lost a guest that it should hold. What is missing brings no operation number, so a server
    /// that changed a moment ago is left to the next report: this one may have been made before.
    private func lost(_ work: InstanceWorkRecord) async throws {
        let changed = max(work.instance.updatedAt ?? work.instance.createdAt, work.instance.createdAt)
        guard services.store.now() - changed >= services.options.missingGrace else { return }
        let isNew = try await services.store.observe(
            .noState, vm: Self.state(after: work.instance.status.vm, power: .noState), of: work.instance.id,
            operation: work.settled)
        if isNew {
            services.logger.error(
                "a guest is missing on its host",
                metadata: ["instance.id": "\(work.instance.id)", "host": "\(work.instance.host ?? "")"])
        }
    }

    /// A guest of ours whose server is deleted, or lives elsewhere, is removed: it was left when its host was away.
    /// A guest without a row of ours is reported and left alone.
    private func removeIfUnwanted(_ seen: GuestObservation, on host: String) async throws {
        guard let work = try await services.store.work(on: seen.instance) else {
            services.logger.warning(
                "a guest has no server", metadata: ["instance.id": "\(seen.instance)", "host": "\(host)"])
            return
        }
        let isElsewhere = work.instance.host != nil && work.instance.host != host
        guard work.instance.isDeleted || (isElsewhere && work.instance.status.task == nil) else { return }
        let number = try await services.store.nextOperation(on: seen.instance)
        services.logger.notice(
            "unwanted guest is removed", metadata: ["instance.id": "\(seen.instance)", "host": "\(host)"])
        try await services.bus.cast(
            PerformOperation(
                instance: seen.instance, operation: number, requestID: "req-reconcile",
                command: .destroy(interfaces: [])),
            to: Address(topic: Topic.compute, host: host), deadline: .seconds(60))
    }
}

/// Brings addresses and security groups on a server's row up to date with the network service.
struct NetworkInfoRefresh: Sendable {
    let services: ConductorServices

    /// Refreshes the next few servers, after that row number.
    ///
    /// - Returns: where the next turn begins; 0 is the beginning again.
    func refreshSome(after number: Int64) async throws -> Int64 {
        let limit = services.options.networkRefreshBatch
        let some = try await services.store.wiredInstances(after: number, limit: limit)
        for instance in some { try await refresh(instance.id) }
        return some.count < limit ? 0 : some.last?.number ?? 0
    }

    /// Reads the server's ports again. A server that is being built or deleted is left to its saga.
    func refresh(_ instance: InstanceID) async throws {
        guard let work = try await services.store.work(on: instance), !work.instance.isDeleted,
            !work.interfaces.isEmpty, work.instance.status.vm != .building, work.instance.status.task != .deleting
        else { return }
        let given = try await services.store.givenPorts(of: instance)
        let wiring = try await services.wiring.current(instance, given: given, known: work.interfaces)
        let isCurrent =
            wiring.interfaces == work.interfaces && wiring.addressesJSON == work.instance.addressesJSON
            && wiring.securityGroupsJSON == work.instance.securityGroupsJSON
        if isCurrent { return }
        do {
            try await services.store.wire(
                instance, interfaces: wiring.interfaces, addressesJSON: wiring.addressesJSON,
                securityGroupsJSON: wiring.securityGroupsJSON)
        } catch StoreError.notFound {
            return
        }
    }
}

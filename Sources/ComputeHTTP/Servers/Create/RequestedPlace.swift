import ComputeModel
import ComputeStore
import Identity
import ServiceOptions

/// Where a new server is to run, as far as the caller may say so.
struct RequestedPlace {
    private(set) var zone: String?
    /// Named in the zone (`zone:host:node`): the scheduler does not choose.
    private(set) var forcedHost: String?
    private(set) var forcedNode: String?
    /// Named on their own (2.74): the scheduler checks them.
    let host: String?
    let node: String?

    /// - Throws: 400, 403.
    init(_ request: CreateRequest, _ call: ComputeCall) async throws {
        (host, node) = (request.host, request.node)
        try parse(request.zone)
        if (zone ?? "").isEmpty { zone = call.services.options.zones.scheduleZone }
        let target = PolicyTarget(call.context)
        if forcedHost != nil || forcedNode != nil { try call.require(ServerPolicy.createOnForcedHost, target) }
        if host != nil || node != nil {
            try call.require(ServerPolicy.createOnRequestedDestination, target)
            guard forcedHost == nil, forcedNode == nil else {
                throw ComputeFault.badRequest(
                    "One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node "
                        + "are mutually exclusive.")
            }
            try await checkDestination(call)
        }
        try await checkZone(call)
    }

    /// `zone`, `zone:host`, `zone:host:node` or `zone::node`.
    private mutating func parse(_ text: String?) throws(ComputeFault) {
        guard let text else { return }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 3 else {
            throw .badRequest("Invalid input received: Unable to parse availability_zone")
        }
        zone = parts[0]
        if parts.count > 1, !parts[1].isEmpty { forcedHost = parts[1] }
        if parts.count > 2, !parts[2].isEmpty { forcedNode = parts[2] }
    }

    private func checkDestination(_ call: ComputeCall) async throws {
        let nodes = try await call.services.store.computeNodes()
        let exists = nodes.contains { (host ?? $0.host) == $0.host && (node ?? $0.node) == $0.node }
        guard exists else {
            throw ComputeFault.badRequest("Compute host \(host ?? node ?? "") could not be found.")
        }
    }

    /// Without host aggregates there is one zone, which is there while a compute service is.
    private mutating func checkZone(_ call: ComputeCall) async throws {
        let only = call.services.options.zones.computeZone
        guard forcedHost == nil else {
            // A zone that is not the host's is overlooked: the host counts.
            if zone != only { zone = nil }
            return
        }
        guard let zone, !zone.isEmpty else { return self.zone = nil }
        let (now, downAfter) = (call.services.now, call.services.options.node.serviceDownTime)
        let services = try await call.services.store.services()
        guard zone == only,
            services.contains(where: {
                $0.binary == "nova-compute" && !$0.isDisabled && $0.isUp(at: now, downAfter: downAfter)
            })
        else { throw ComputeFault.badRequest("The requested availability zone is not available") }
    }
}

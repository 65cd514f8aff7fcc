import ServiceOptions
import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import ServiceOptions
import WireJSON

/// Hypervisors: list, search, show, sum up.
enum HypervisorController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        try await answer(call, HypervisorView.brief, "os-hypervisors")
    }

    static func detail(_ call: ComputeCall) async throws -> HTTPResponse {
        try await answer(call, HypervisorView.full, "os-hypervisors/detail")
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let hypervisor = try await hypervisor(call)
        return call.answer { w in
            w.key("hypervisor")
            HypervisorView.full.write(hypervisor, at: call.version, to: &w)
        }
    }

    static func uptime(_ call: ComputeCall) async throws -> HTTPResponse {
        let hypervisor = try await hypervisor(call)
        guard hypervisor.isUp else {
            throw ComputeFault.badRequest(
                "Compute service of \(hypervisor.node.host) is unavailable at this time.")
        }
        guard hypervisor.uptime != nil else {
            throw ComputeFault.notImplemented("The requested functionality is not supported.")
        }
        return call.answer { w in
            w.key("hypervisor")
            HypervisorView.withUptime.write(hypervisor, at: call.version, to: &w)
        }
    }

    static func search(_ call: ComputeCall) async throws -> HTTPResponse {
        try await found(call, withServers: false)
    }

    static func servers(_ call: ComputeCall) async throws -> HTTPResponse { try await found(call, withServers: true) }

    /// The sums over hypervisors whose services are enabled.
    static func statistics(_ call: ComputeCall) async throws -> HTTPResponse {
        let scene = try await HypervisorScene(call, withServers: false)
        let enabled = scene.nodes.filter { scene.service(of: $0)?.isDisabled == false }
        var sums = HypervisorNumbers()
        for node in enabled { sums.add(HypervisorNumbers(node, scene.usage[node.id] ?? NodeUsage())) }
        return call.answer { w in
            w.object("hypervisor_statistics") { w in
                w.field("count", enabled.count)
                sums.write(to: &w)
            }
        }
    }

    // MARK: Parts

    private static func withServers(_ call: ComputeCall) -> Bool {
        call.has(53) && call.query["with_servers"].flatMap { BooleanText.strict($0) } ?? false
    }

    private static func answer(
        _ call: ComputeCall, _ view: View<HypervisorSubject>, _ collection: String
    ) async throws -> HTTPResponse {
        let pattern = call.has(53) ? call.query["hypervisor_hostname_pattern"] : nil
        if pattern != nil, call.query.contains("limit") || call.query.contains("marker") {
            throw ComputeFault.badRequest(
                "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
        }
        let scene = try await HypervisorScene(call, withServers: withServers(call))
        let page = call.has(33) && pattern == nil ? PageRequest(call) : nil
        let nodes = try pattern.map { try scene.nodes(matching: $0) } ?? Self.page(scene.nodes, page, call)
        let subjects = try await scene.subjects(nodes)
        let plan = view.plan(at: call.version)
        return call.answer { w in
            w.array("hypervisors") { w in for subject in subjects { plan.write(subject, to: &w) } }
            page?.writeNext(
                "hypervisors_links", collection, count: subjects.count,
                last: subjects.last.map { call.has(53) ? $0.node.id.description : String($0.node.number) }, to: &w)
        }
    }

    private static func page(
        _ nodes: [ComputeNodeRecord], _ page: PageRequest?, _ call: ComputeCall
    ) throws(ComputeFault) -> [ComputeNodeRecord] {
        guard let page else { return nodes }
        guard let marker = page.marker else { return Array(nodes.prefix(page.limit)) }
        let position = nodes.firstIndex {
            call.has(53) ? $0.id == NodeID(marker) : String($0.number) == marker
        }
        guard let position else { throw page.unknownMarker }
        return Array(nodes[(position + 1)...].prefix(page.limit))
    }

    private static func found(_ call: ComputeCall, withServers: Bool) async throws -> HTTPResponse {
        let scene = try await HypervisorScene(call, withServers: withServers)
        let subjects = try await scene.subjects(scene.nodes(matching: call.parameter("hypervisor_id")))
        let plan = HypervisorView.brief.plan(at: call.version)
        return call.answer { w in
            w.array("hypervisors") { w in for subject in subjects { plan.write(subject, to: &w) } }
        }
    }

    /// The hypervisor that the path names.
    ///
    /// - Throws: 404; from 2.53 on 400 for what is no UUID.
    private static func hypervisor(_ call: ComputeCall) async throws -> HypervisorSubject {
        let name = call.parameter("hypervisor_id")
        if call.has(53), NodeID(name) == nil { throw ComputeFault.badRequest("Invalid uuid \(name)") }
        let scene = try await HypervisorScene(call, withServers: withServers(call))
        let node = scene.nodes.first { call.has(53) ? $0.id == NodeID(name) : String($0.number) == name }
        guard let node, let subject = try await scene.subjects([node]).first else {
            throw ComputeFault.notFound("Hypervisor with ID '\(name)' could not be found.")
        }
        return subject
    }
}

/// All that answers about hypervisors are made of.
struct HypervisorScene {
    let nodes: [ComputeNodeRecord]
    let usage: [NodeID: NodeUsage]
    private let services: [String: ServiceRecord]
    private let call: ComputeCall
    private let withServers: Bool

    init(_ call: ComputeCall, withServers: Bool) async throws {
        let store = call.services.store
        nodes = try await store.computeNodes()
        usage = try await store.usageByNode()
        let all = try await store.services().filter { $0.binary == "nova-compute" }
        services = Dictionary(all.map { ($0.host, $0) }) { first, _ in first }
        (self.call, self.withServers) = (call, withServers)
    }

    func service(of node: ComputeNodeRecord) -> ServiceRecord? { services[node.host] }

    /// - Throws: a 404 when there are none.
    func nodes(matching pattern: String) throws(ComputeFault) -> [ComputeNodeRecord] {
        let wanted = pattern.lowercased()
        let found = nodes.filter { wanted.isEmpty || $0.node.lowercased().contains(wanted) }
        guard !found.isEmpty else {
            throw .notFound("No hypervisor matching '\(pattern)' could be found.")
        }
        return found
    }

    /// The nodes with their services; nodes whose service was removed are left out.
    func subjects(_ nodes: [ComputeNodeRecord]) async throws -> [HypervisorSubject] {
        let (now, downAfter) = (call.services.now, call.services.options.node.serviceDownTime)
        var subjects: [HypervisorSubject] = []
        for node in nodes {
            guard let service = services[node.host] else { continue }
            subjects.append(
                HypervisorSubject(
                    node, service, isUp: service.isUp(at: now, downAfter: downAfter),
                    usage: usage[node.id] ?? NodeUsage(), servers: try await servers(on: node),
                    guests: GuestNaming(call.services.options.service.instanceNameTemplate)))
        }
        return subjects
    }

    private func servers(on node: ComputeNodeRecord) async throws -> [InstanceRecord]? {
        guard withServers else { return nil }
        let query = InstanceQuery(
            conditions: [.host(node.host), .deleted(false)], order: [(.id, true)], limit: Int(Int32.max))
        let servers = try await call.services.store.instances(query)
        return servers.isEmpty && !call.has(75) ? nil : servers
    }
}

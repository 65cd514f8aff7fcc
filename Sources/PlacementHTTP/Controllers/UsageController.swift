import HTTPService
import Placement
import WireJSON

/// `/resource_providers/{uuid}/usages` and `/usages`.
enum UsageController {
    @Sendable static func ofProvider(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        let mirror = call.service.mirror
        guard let slot = mirror.slot(uuid: uuid) else {
            throw PlacementFault.notFound(
                "No resource provider with uuid \(uuid) found: \(PlacementError.providerNotFound(uuid))")
        }
        var writer = JSONWriter(capacity: 256)
        writer.object { w in
            w.field("resource_provider_generation", mirror.generation(slot))
            w.object("usages") { w in
                for row in mirror.rows(slot) {
                    w.field(mirror.catalog.className(mirror.classID(row: row)), mirror.used(row: row))
                }
            }
        }
        return call.answer(writer)
    }

    @Sendable static func total(_ call: PlacementCall) async throws -> HTTPResponse {
        let query = call.request.query
        let usages = try await call.service.usages(
            project: query.values("project_id").last ?? "", user: query.values("user_id").last)
        let groups: [Group]
        if call.has(PlacementVersions.consumerTypes) {
            groups = grouped(usages, by: query.values("consumer_type").last)
        } else {
            groups = [Group(name: nil, usages)]
        }
        var writer = JSONWriter(capacity: 512)
        writer.object { w in
            w.object("usages") { w in
                for group in groups {
                    guard let name = group.name else {
                        group.write(to: &w)
                        continue
                    }
                    w.object(name) { w in
                        group.write(to: &w)
                        w.field("consumer_count", group.consumers)
                    }
                }
            }
        }
        return call.answer(writer)
    }

    /// Usages that are shown together, summed per class.
    private struct Group {
        let name: String?
        let amounts: [(resourceClass: String, used: Int64)]
        let consumers: Int

        init(name: String?, _ usages: [ProjectUsage]) {
            self.name = name
            let sums = Dictionary(usages.map { ($0.resourceClass, $0.used) }, uniquingKeysWith: +)
            amounts = sums.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            // Each type has its own consumers; a usage carries the count of its type.
            let counts = Dictionary(usages.map { ($0.consumerType, $0.consumers) }) { first, _ in first }
            consumers = counts.values.reduce(0, +)
        }

        func write(to w: inout JSONWriter) {
            for amount in amounts { w.field(amount.resourceClass, amount.used) }
        }
    }

    private static func grouped(_ usages: [ProjectUsage], by type: String?) -> [Group] {
        let groups: [Group]
        switch type {
        case "all": groups = [Group(name: "all", usages)]
        case "unknown": groups = [Group(name: "unknown", usages.filter { $0.consumerType == nil })]
        case let type:
            let wanted = type.map { type in usages.filter { $0.consumerType == type } } ?? usages
            groups = Dictionary(grouping: wanted) { $0.consumerType ?? "unknown" }.sorted { $0.key < $1.key }
                .map { Group(name: $0.key, $0.value) }
        }
        return groups.filter { !$0.amounts.isEmpty }
    }
}

import APIVersioning
import HTTPService
import Placement
import WireJSON

/// `/allocation_candidates`.
enum CandidateController {
    /// Says why there may be more results than the request's own limit explains. An addition of ours.
    private static let cutHeader = "Kilonova-Candidates-Cut"

    @Sendable static func list(_ call: PlacementCall) async throws -> HTTPResponse {
        let request = try CandidateQuery.request(call)
        let found: CandidateSet
        do throws(CandidateRequestError) {
            found = try call.service.candidates(request)
        } catch {
            switch error {
            case .unknownResourceClass(let name):
                throw PlacementFault.badRequest(
                    "Invalid resource class in resources parameter: "
                        + "\(PlacementError.resourceClassNotFound(name))")
            case .unknownTraits(let names):
                throw PlacementFault.badRequest(PlacementError.traitsNotFound(names).description)
            }
        }
        var response = call.answer(CandidateView(call, found).write())
        switch found.cut {
        case nil, .limit: break
        case .candidates: response.headers.replaceOrAdd(name: cutHeader, value: "candidates")
        case .steps: response.headers.replaceOrAdd(name: cutHeader, value: "steps")
        }
        return response
    }
}

/// Candidates as the API shows them, written straight from the mirror's columns.
struct CandidateView {
    private let found: CandidateSet
    private let mirror: ProviderMirror
    private let isByProvider: Bool
    private let showsMappings: Bool
    private let showsTraits: Bool
    private let showsAllClasses: Bool
    private let showsTree: Bool

    init(_ call: PlacementCall, _ found: CandidateSet) {
        self.found = found
        mirror = found.mirror
        isByProvider = call.has(PlacementVersions.allocationsByProvider)
        showsMappings = call.has(PlacementVersions.mappings)
        showsTraits = call.has(PlacementVersions.summaryTraits)
        showsAllClasses = call.has(PlacementVersions.wholeSummaries)
        showsTree = call.has(PlacementVersions.nestedCandidates)
    }

    func write() -> JSONWriter {
        var classes: [Int: JSONKey] = [:]
        for entry in mirror.catalog.classes { classes[entry.id] = JSONKey(entry.name) }
        let summarized = found.summarizedProviders
        var writer = JSONWriter(capacity: 256 + found.count * 240 + summarized.count * 512)
        writer.object { w in
            w.array("allocation_requests") { w in
                for result in 0..<found.count { write(result, classes, to: &w) }
            }
            w.object("provider_summaries") { w in
                for provider in summarized {
                    w.key(mirror.uuid(provider))
                    writeSummary(provider, classes, to: &w)
                }
            }
        }
        return writer
    }

    private func write(_ result: Int, _ classes: [Int: JSONKey], to writer: inout JSONWriter) {
        let allocations = found.allocations(of: result)
        writer.object { w in
            if isByProvider {
                w.object("allocations") { w in
                    forEachProvider(allocations) { provider, share in
                        w.key(mirror.uuid(provider))
                        w.object { w in writeResources(share, classes, to: &w) }
                    }
                }
            } else {
                w.array("allocations") { w in
                    forEachProvider(allocations) { provider, share in
                        w.object { w in
                            w.object("resource_provider") { w in w.field("uuid", mirror.uuid(provider)) }
                            writeResources(share, classes, to: &w)
                        }
                    }
                }
            }
            guard showsMappings else { return }
            w.object("mappings") { w in
                for mapping in found.mappings(of: result) {
                    w.array(mapping.suffix) { w in
                        for provider in mapping.providers { w.string(mirror.uuid(provider)) }
                    }
                }
            }
        }
    }

    /// Amounts of one provider lie side by side.
    private func forEachProvider(
        _ allocations: [CandidateSet.Allocation],
        _ body: (ProviderMirror.Slot, ArraySlice<CandidateSet.Allocation>) -> Void
    ) {
        var start = 0
        for index in allocations.indices {
            let isLast =
                index + 1 == allocations.count || allocations[index + 1].provider != allocations[index].provider
            guard isLast else { continue }
            body(allocations[index].provider, allocations[start...index])
            start = index + 1
        }
    }

    private func writeResources(
        _ share: ArraySlice<CandidateSet.Allocation>, _ classes: [Int: JSONKey], to writer: inout JSONWriter
    ) {
        writer.object("resources") { w in
            for allocation in share {
                if let key = classes[Int(allocation.classID)] { w.key(key) }
                w.int(allocation.amount)
            }
        }
    }

    private func writeSummary(
        _ provider: ProviderMirror.Slot, _ classes: [Int: JSONKey], to writer: inout JSONWriter
    ) {
        writer.object { w in
            w.object("resources") { w in
                for row in mirror.rows(provider) {
                    let classID = mirror.classID(row: row)
                    guard showsAllClasses || found.requestedClasses.contains(Int32(classID)), let key = classes[classID]
                    else { continue }
                    w.key(key)
                    w.object { w in
                        w.field("capacity", mirror.capacity(row: row))
                        w.field("used", mirror.used(row: row))
                    }
                }
            }
            if showsTraits {
                w.key("traits")
                w.raw(mirror.traitSet(provider).json)
            }
            guard showsTree else { return }
            w.field("parent_provider_uuid", mirror.parent(provider).map(mirror.uuid))
            w.field("root_provider_uuid", mirror.uuid(mirror.root(provider)))
        }
    }
}

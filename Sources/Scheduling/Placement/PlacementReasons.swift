import ComputeModel
import Logging
import Messaging
import ServiceInterfaces

/// A node that placement does not name for a request.
struct PassedOver: Hashable, Sendable {
    let host: String
    let provider: ProviderID
}

extension SchedulerServiceOptions {
    /// The pre-filters that count for a request. Whoever forces a host answers for what the image asks for.
    func prefilters(for spec: RequestSpec) -> PrefilterOptions {
        guard spec.forcedHost != nil || spec.forcedNode != nil else { return prefilters }
        var none = PrefilterOptions()
        (none.asksForImageFormat, none.asksForImageProperties) = (false, false)
        return none
    }
}

extension SchedulerService {
    /// Nodes that are asked about: a reason for a thousand helps nobody.
    private static let explainedMax = 8

    /// Adds why placement did not name nodes: asked wish by wish, only for a request that found no host.
    func explainPlacement(_ explanation: inout SchedulingExplanation) async {
        guard let wishes = explanation.wishes else { return }
        for node in explanation.passedOver.prefix(Self.explainedMax) {
            do {
                let reason = try await reason(for: node, wishes)
                explanation.refusals.append((node.host, "placement", reason))
            } catch {
                logger.warning("placement gives no reason", metadata: ["host": "\(node.host)", "error": "\(error)"])
                return
            }
        }
    }

    private func reason(for node: PassedOver, _ wishes: PlacementWishes) async throws -> String {
        func holds(_ resources: [ResourceClass: Int], _ required: Set<Trait> = [], _ forbidden: Set<Trait> = [])
            async throws -> Bool
        {
            let question = FindCandidates(
                resources: resources, requiredTraits: required.map { [$0] }, forbiddenTraits: forbidden,
                inTree: node.provider, limit: 1)
            return try await !ask(question).isEmpty
        }
        guard try await holds(wishes.resources) else {
            var missing: [String] = []
            for (resource, amount) in wishes.resources.sorted(by: { $0.key < $1.key }) {
                if try await !holds([resource: amount]) { missing.append("\(amount) \(resource)") }
            }
            return missing.isEmpty
                ? "it has not all resources free in one place"
                : "it has no \(missing.joined(separator: " and no ")) free"
        }
        var reasons: [String] = []
        for wish in wishes.required {
            if try await !holds(wishes.resources, [wish.trait]) { reasons.append(wish.refusal) }
        }
        for wish in wishes.forbidden {
            if try await !holds(wishes.resources, [], [wish.trait]) { reasons.append(wish.refusal) }
        }
        return reasons.isEmpty ? "it has not all that is asked for in one place" : reasons.joined(separator: " and ")
    }
}

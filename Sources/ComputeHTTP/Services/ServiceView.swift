import ComputeModel
import ServiceOptions
import APIVersioning
import ComputeModel
import ComputeStore
import ServiceOptions
import WireJSON

/// A service with what an answer about it needs.
final class ServiceSubject: Sendable {
    let service: ServiceRecord
    let isUp: Bool
    let zone: String

    init(_ service: ServiceRecord, _ call: ComputeCall) {
        self.service = service
        isUp = service.isUp(at: call.services.now, downAfter: call.services.options.node.serviceDownTime)
        zone = call.services.options.zones.zone(of: service)
    }
}

extension ServiceRecord {
    /// Why it is disabled, or else why it says itself that it cannot be used, with the mark that Nova gives to reasons
    /// that no operator wrote.
    var shownReason: String? { disabledReason ?? trouble.map { "AUTO: \($0)" } }
}

/// How services are shown, by member and microversion.
enum ServiceView {
    private typealias Field = ViewField<ServiceSubject>

    static let full = View<ServiceSubject>([
        Field("id", always.until(v(53))) { $1.int($0.service.number) },
        Field("id", .since(v(53))) { $1.string($0.service.id.description) },
        Field("binary", always) { $1.string($0.service.binary) },
        Field("host", always) { $1.string($0.service.host) },
        Field("zone", always) { $1.string($0.zone) },
        Field("status", always) { $1.string($0.service.isDisabled ? "disabled" : "enabled") },
        Field("state", always) { $1.string($0.isUp ? "up" : "down") },
        Field("updated_at", always) { $1.preciseTime($0.service.updatedAt) },
        Field("disabled_reason", always) { $1.string($0.service.shownReason) },
        Field("forced_down", .since(v(11))) { $1.bool($0.service.isForcedDown) },
    ])
}

import ComputeStore
import HTTPService
import ServiceOptions
import WireJSON

extension AvailabilityZoneOptions {
    /// The zone in which a service appears.
    func zone(of service: ServiceRecord) -> String {
        service.binary == "nova-compute" ? computeZone : internalZone
    }
}

/// Availability zones, as the services make them: a zone is available while one of its services is enabled.
enum ZoneController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let internalZone = call.services.options.zones.internalZone
        let zones = try await zones(call)
        return call.answer { w in
            w.array("availabilityZoneInfo") { w in
                for zone in zones where zone.name != internalZone {
                    write(zone, to: &w) { $0.null() }
                }
            }
        }
    }

    static func detail(_ call: ComputeCall) async throws -> HTTPResponse {
        let zones = try await zones(call)
        return call.answer { w in
            w.array("availabilityZoneInfo") { w in
                for zone in zones {
                    write(zone, to: &w) { w in
                        if zone.isAvailable { writeHosts(of: zone, call, to: &w) } else { w.null() }
                    }
                }
            }
        }
    }

    private struct Zone {
        let name: String
        /// Those that are enabled.
        let services: [ServiceRecord]
        var isAvailable: Bool { !services.isEmpty }
    }

    /// Available ones first, by name.
    private static func zones(_ call: ComputeCall) async throws -> [Zone] {
        let options = call.services.options.zones
        let services = try await call.services.store.services()
        return Dictionary(grouping: services) { options.zone(of: $0) }
            .map { name, services in Zone(name: name, services: services.filter { !$0.isDisabled }) }
            .sorted { ($0.isAvailable ? 0 : 1, $0.name) < ($1.isAvailable ? 0 : 1, $1.name) }
    }

    private static func write(_ zone: Zone, to w: inout JSONWriter, hosts: (inout JSONWriter) -> Void) {
        w.object { w in
            w.field("zoneName", zone.name)
            w.object("zoneState") { $0.field("available", zone.isAvailable) }
            w.key("hosts")
            hosts(&w)
        }
    }

    /// Services of the API are no part of any host.
    private static let apiBinaries: Set<String> = ["nova-osapi_compute", "nova-metadata"]

    private static func writeHosts(of zone: Zone, _ call: ComputeCall, to w: inout JSONWriter) {
        let services = zone.services.filter { !apiBinaries.contains($0.binary) }
        let byHost = Dictionary(grouping: services, by: \.host).sorted { $0.key < $1.key }
        w.object { w in
            for (host, services) in byHost {
                w.object(host) { w in
                    for service in services {
                        w.object(service.binary) { w in
                            w.field("available", ServiceSubject(service, call).isUp)
                            w.field("active", true)
                            w.key("updated_at")
                            w.preciseTime(service.updatedAt)
                        }
                    }
                }
            }
        }
    }
}

import ComputeModel
import HTTPService
import ServiceOptions
import WireJSON

/// `POST /servers`.
enum CreateController {
    static func create(_ call: ComputeCall) async throws -> HTTPResponse {
        let request = try CreateRequest(call)
        let outcome = try await ServerCreation(call, request).run()
        if request.wantsReservation { return call.answer { $0.field("reservation_id", outcome.reservation) } }
        let id = outcome.first.description
        var response = call.answer { w in
            w.object("server") { w in
                w.field("id", id)
                call.links.write("servers", id, to: &w)
                w.field("OS-DCF:diskConfig", request.autoDiskConfig ? "AUTO" : "MANUAL")
                w.field("security_groups", request.securityGroupsShown)
                if call.services.options.api.showsInstancePassword { w.field("adminPass", outcome.password) }
            }
        }
        response.headers.add(name: "Location", value: "\(call.links.selfBase)/servers/\(id)")
        return response
    }
}

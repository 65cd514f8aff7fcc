import APIVersioning
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// Quotas of projects and their users: show, set, reset.
enum QuotaController {
    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let project = try await project(call, QuotaPolicy.show)
        let limits = try await QuotaSets(call).limits(ofProject: project, user: call.query["user_id"])
        return answer(call, id: project) { $1.int(limits[$0] ?? -1) }
    }

    static func detail(_ call: ComputeCall) async throws -> HTTPResponse {
        let project = try await project(call, QuotaPolicy.detail)
        let user = call.query.values("user_id").last
        let limits = try await QuotaSets(call).limits(ofProject: project, user: user)
        let used = try await QuotaSets(call).usage(ofProject: project, user: user)
        return answer(call, id: project) { resource, w in
            w.object { w in
                w.field("in_use", used[resource] ?? 0)
                w.field("limit", limits[resource] ?? -1)
                w.field("reserved", 0)
            }
        }
    }

    static func defaults(_ call: ComputeCall) async throws -> HTTPResponse {
        let project = try await project(call, QuotaPolicy.defaults)
        let limits = try await QuotaSets(call).defaults()
        return answer(call, id: project) { $1.int(limits[$0] ?? -1) }
    }

    static func update(_ call: ComputeCall) async throws -> HTTPResponse {
        let project = try await project(call, QuotaPolicy.update)
        let user = call.query["user_id"]
        let body = call.body["quota_set"]?.object ?? JSONObject()
        let wanted = limits(in: body)
        if !BooleanText.value(body["force"]) {
            try check(wanted, try await QuotaSets(call).settable(ofProject: project, user: user))
        }
        try await call.services.store.setQuotas(
            Dictionary(uniqueKeysWithValues: wanted.map { ($0.rawValue, $1) }), ofProject: project, user: user)
        let limits = try await QuotaSets(call).limits(ofProject: project, user: user)
        return answer(call, id: nil) { $1.int(limits[$0] ?? -1) }
    }

    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        // What a project that is gone has left can be removed.
        let project = try await project(call, QuotaPolicy.delete, mustExist: false)
        try await call.services.store.deleteQuotas(ofProject: project, user: call.query["user_id"])
        return call.answer()
    }

    /// The limits that a body names, in its order.
    static func limits(in body: JSONObject) -> [(QuotaResource, Int)] {
        body.members.compactMap { name, value in
            guard let resource = QuotaResource(rawValue: name), let limit = WholeNumber.value(value)
            else { return nil }
            return (resource, limit)
        }
    }

    private static func project(_ call: ComputeCall, _ rule: PolicyRule, mustExist: Bool = true) async throws
        -> String
    {
        let project = call.parameter("project_id")
        try call.require(rule, PolicyTarget(projectID: project))
        if mustExist { try await call.requireProject(project) }
        return project
    }

    private static func check(
        _ wanted: [(QuotaResource, Int)], _ ranges: [QuotaResource: (least: Int, most: Int)]
    ) throws(ComputeFault) {
        for (resource, limit) in wanted {
            let range = ranges[resource] ?? (0, -1)
            if limit >= 0, limit < range.least {
                throw .badRequest(
                    "Quota limit \(limit) for \(resource.rawValue) must be greater than or equal to already used "
                        + "and reserved \(range.least).")
            }
            if range.most >= 0, limit < 0 || limit > range.most {
                throw .badRequest(
                    "Quota limit \(limit) for \(resource.rawValue) must be less than or equal to \(range.most).")
            }
        }
    }

    private static func answer(
        _ call: ComputeCall, id: String?, _ write: (QuotaResource, inout JSONWriter) -> Void
    ) -> HTTPResponse {
        call.answer { w in
            w.object("quota_set") { w in
                if let id { w.field("id", id) }
                for resource in QuotaResource.allCases where resource.spanInSets.contains(call.version) {
                    w.key(resource.rawValue)
                    write(resource, &w)
                }
            }
        }
    }
}

/// Quotas of classes: show, set.
enum QuotaClassController {
    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        try await answer(call, id: call.parameter("name"))
    }

    static func update(_ call: ComputeCall) async throws -> HTTPResponse {
        let name = call.parameter("name")
        let length = name.unicodeScalars.count
        guard length <= 255 else {
            throw ComputeFault.badRequest(
                "Invalid input received: quota_class_name has \(length) characters, more than 255.")
        }
        let wanted = QuotaController.limits(in: call.body["quota_class_set"]?.object ?? JSONObject())
        try await call.services.store.setQuotaClass(
            name, Dictionary(uniqueKeysWithValues: wanted.map { ($0.rawValue, $1) }))
        return try await answer(call, id: nil)
    }

    private static func answer(_ call: ComputeCall, id: String?) async throws -> HTTPResponse {
        let limits = try await QuotaSets(call).limits(ofClass: call.parameter("name"))
        return call.answer { w in
            w.object("quota_class_set") { w in
                if let id { w.field("id", id) }
                for resource in QuotaResource.allCases where resource.spanInClasses.contains(call.version) {
                    w.field(resource.rawValue, limits[resource] ?? -1)
                }
            }
        }
    }
}

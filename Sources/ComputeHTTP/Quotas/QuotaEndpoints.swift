import APIVersioning
import Identity
import WireJSON

/// The operations on quotas of projects and of classes.
enum QuotaEndpoints {
    static let all: [ComputeEndpoint] = sets + classes

    private static let sets: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/os-quota-sets/{project_id}", always, policy: QuotaPolicy.show.name, errors: [400],
            query: userQuery, run: .onSubject(QuotaController.show)),
        ComputeEndpoint(
            "GET", "/os-quota-sets/{project_id}/detail", always, policy: QuotaPolicy.detail.name, errors: [400],
            query: userQuery, run: .onSubject(QuotaController.detail)),
        ComputeEndpoint(
            "GET", "/os-quota-sets/{project_id}/defaults", always, policy: QuotaPolicy.defaults.name, errors: [400],
            query: Versioned(since: v(1), .query([:], additional: .allowed)),
            run: .onSubject(QuotaController.defaults)),
        ComputeEndpoint(
            "PUT", "/os-quota-sets/{project_id}", always, policy: QuotaPolicy.update.name, errors: [400],
            body: setBody, query: userQuery, run: .onSubject(QuotaController.update)),
        ComputeEndpoint(
            "DELETE", "/os-quota-sets/{project_id}", always, policy: QuotaPolicy.delete.name, query: userQuery,
            success: Versioned(since: v(1), 202), run: .onSubject(QuotaController.delete)),
    ]

    private static let classes: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/os-quota-class-sets/{name}", always, policy: QuotaPolicy.classShow.name,
            query: ComputeEndpoints.noQuery, run: .asCaller(QuotaClassController.show)),
        ComputeEndpoint(
            "PUT", "/os-quota-class-sets/{name}", always, policy: QuotaPolicy.classUpdate.name, errors: [400],
            body: classBody, run: .asCaller(QuotaClassController.update)),
    ]

    private static let userQuery = Versioned<JSONSchema?>(
        since: v(1), .query(["user_id": .queryText], additional: .allowed)
    ).then(since: v(75), .query(["user_id": .queryText], additional: .forbidden))

    /// A whole number from -1, also as text.
    private static let limit = JSONSchema.integerOrString(pattern: "^-?[0-9]+$", minimum: -1, maximum: 0x7FFF_FFFF)

    private static func limits(
        at minor: Int, _ span: (QuotaResource) -> VersionSpan
    ) -> JSONSchema {
        QuotaResource.allCases.filter { span($0).contains(v(minor)) }.reduce(.object()) { schema, resource in
            schema.with([resource.rawValue: limit])
        }
    }

    private static func setBody(_ minor: Int) -> JSONSchema {
        .object(
            ["quota_set": limits(at: minor, \.spanInSets).with(["force": .boolean])], required: ["quota_set"])
    }

    private static func classBody(_ minor: Int) -> JSONSchema {
        .object(
            ["quota_class_set": limits(at: minor, \.spanAcceptedInClasses)], required: ["quota_class_set"])
    }

    private static let setBody = Versioned<JSONSchema?>(since: v(1), setBody(1))
        .then(since: v(36), setBody(36))
        .then(since: v(57), setBody(57))

    private static let classBody = Versioned<JSONSchema?>(since: v(1), classBody(1))
        .then(since: v(50), classBody(50))
        .then(since: v(57), classBody(57))
}

import APIVersioning
import Identity
import WireJSON

/// The operations on key pairs. They belong to users: each operation asks about the user that it is for.
enum KeypairEndpoints {
    static let all: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/os-keypairs", always, policy: KeypairPolicy.index.name, errors: [400], query: listQuery,
            run: .onSubject(KeypairController.list)),
        ComputeEndpoint(
            "POST", "/os-keypairs", always, policy: KeypairPolicy.create.name, errors: [400, 403, 409], body: create,
            success: Versioned(since: v(1), 200).then(since: v(2), 201), run: .onSubject(KeypairController.create)),
        ComputeEndpoint(
            "GET", "/os-keypairs/{name}", always, policy: KeypairPolicy.show.name, errors: [404], query: userQuery,
            run: .onSubject(KeypairController.show)),
        ComputeEndpoint(
            "DELETE", "/os-keypairs/{name}", always, policy: KeypairPolicy.delete.name, errors: [404],
            query: userQuery, success: Versioned(since: v(1), 202).then(since: v(2), 204),
            run: .onSubject(KeypairController.delete)),
    ]

    private static func body(_ keypair: JSONSchema) -> JSONSchema {
        .object(["keypair": keypair], required: ["keypair"])
    }

    private static let first = JSONSchema.object(
        ["name": .keypairName, "public_key": .anyString], required: ["name"])
    private static let typed = first.with(["type": .choice(["ssh", "x509"])])
    private static let ofUser = typed.with(["user_id": .userID])

    private static let create = Versioned<JSONSchema?>(since: v(1), body(first))
        .then(since: v(2), body(typed))
        .then(since: v(10), body(ofUser))
        .then(since: v(92), body(ofUser.with(["name": .keypairNameSince2_92], required: ["public_key"])))

    private static let userQuery = Versioned<JSONSchema?>(since: v(1), .query([:], additional: .allowed))
        .then(since: v(10), .query(["user_id": .queryText], additional: .allowed))
        .then(since: v(75), .query(["user_id": .queryText], additional: .forbidden))

    private static let listQuery = Versioned<JSONSchema?>(since: v(1), .query([:], additional: .allowed))
        .then(since: v(10), .query(["user_id": .queryText], additional: .allowed))
        .then(since: v(35), page(.allowed))
        .then(since: v(75), page(.forbidden))

    private static func page(_ additional: AdditionalProperties) -> JSONSchema {
        .query(
            ["user_id": .queryText, "limit": .multiple(.nonNegativeInteger), "marker": .queryText],
            additional: additional)
    }
}

import APIVersioning
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// Key pairs: list, add, show, remove.
enum KeypairController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let user = user(call)
        try call.require(KeypairPolicy.index, PolicyTarget(projectID: call.context.projectID, userID: user))
        let page = call.has(35) ? PageRequest(call) : nil
        let keypairs = try await keypairs(of: user, page, call)
        let plan = KeypairView.listed.plan(at: call.version)
        return call.answer { w in
            w.array("keypairs") { w in
                for keypair in keypairs {
                    w.object { w in
                        w.key("keypair")
                        plan.write(keypair, to: &w)
                    }
                }
            }
            page?.writeNext(
                "keypairs_links", "os-keypairs", count: keypairs.count, last: keypairs.last?.name, to: &w)
        }
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let user = user(call)
        try call.require(KeypairPolicy.show, PolicyTarget(projectID: call.context.projectID, userID: user))
        let name = call.parameter("name")
        guard let keypair = try await call.services.store.keypair(name, of: user) else {
            throw ComputeFault.notFound("Keypair \(name) not found for user \(user)")
        }
        return call.answer { w in
            w.key("keypair")
            KeypairView.shown.write(keypair, at: call.version, to: &w)
        }
    }

    static func create(_ call: ComputeCall) async throws -> HTTPResponse {
        let body = call.body["keypair"] ?? .null
        let user = body["user_id"]?.string.flatMap { $0.isEmpty ? nil : $0 } ?? call.context.userID
        try call.require(KeypairPolicy.create, PolicyTarget(projectID: call.context.projectID, userID: user))
        let new = try NewKeypair(body, user: user)
        let limit = try await QuotaSets(call).limits(ofProject: call.context.projectID ?? "", user: user)[.keyPairs]
        do {
            _ = try await call.services.store.create(new.record, limit: limit ?? -1)
        } catch StoreError.quotaExceeded {
            throw ComputeFault.forbidden("Quota exceeded, too many key pairs.")
        }
        return call.answer { w in
            w.object("keypair") { w in
                if let key = new.privateKey { w.field("private_key", key) }
                KeypairView.created.plan(at: call.version).writeMembers(new.record, to: &w)
            }
        }
    }

    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        let user = user(call)
        try call.require(KeypairPolicy.delete, PolicyTarget(projectID: call.context.projectID, userID: user))
        try await call.services.store.deleteKeypair(call.parameter("name"), of: user)
        return call.answer()
    }

    /// Whose key pairs are meant: the caller's unless the query says otherwise.
    private static func user(_ call: ComputeCall) -> String {
        guard call.has(10), let user = call.query["user_id"], !user.isEmpty else { return call.context.userID }
        return user
    }

    private static func keypairs(
        of user: String, _ page: PageRequest?, _ call: ComputeCall
    ) async throws -> [KeypairRecord] {
        do {
            return try await call.services.store.keypairs(
                of: user, marker: page?.marker, limit: page?.limit ?? Int(Int32.max))
        } catch StoreError.notFound(let message) {
            throw ComputeFault.badRequest(message)
        }
    }
}

/// How key pairs are shown, by member and microversion.
enum KeypairView {
    private typealias Field = ViewField<KeypairRecord>

    static let listed = View<KeypairRecord>(key)
    static let created = View<KeypairRecord>(key + owner)
    static let shown = View<KeypairRecord>(
        key + owner + [
            Field("created_at", always) { $1.preciseTime($0.createdAt) },
            Field("deleted", always) { $1.bool(false) },
            Field("deleted_at", always) { $1.null() },
            Field("id", always) { $1.int($0.number) },
            Field("updated_at", always) { $1.null() },
        ])

    private static let key: [Field] = [
        Field("name", always) { $1.string($0.name) },
        Field("public_key", always) { $1.string($0.publicKey) },
        Field("fingerprint", always) { $1.string($0.fingerprint) },
        Field("type", .since(v(2))) { $1.string($0.type) },
    ]

    private static let owner: [Field] = [Field("user_id", always) { $1.string($0.userID) }]
}

/// A key pair as a body describes it; without a public key one is made.
struct NewKeypair {
    let record: KeypairRecord
    /// Told once, and kept nowhere.
    let privateKey: String?

    /// - Throws: a 400 for a key that is none.
    init(_ body: JSONValue, user: String) throws(ComputeFault) {
        let name = body["name"]?.string?.trimmingSpaces ?? ""
        let type = body["type"]?.string ?? "ssh"
        let publicKey: String
        if let given = body["public_key"]?.string {
            (publicKey, privateKey) = (given, nil)
        } else {
            guard type == "ssh" else {
                throw Self.invalid("certificates are not made here. Create one, and send it as public_key")
            }
            let generated = GeneratedKey(comment: "Generated-by-Nova")
            (publicKey, privateKey) = (generated.publicKey, generated.privateKey)
        }
        record = KeypairRecord(
            userID: user, name: name, type: type, fingerprint: try Self.fingerprint(publicKey, type),
            publicKey: publicKey)
    }

    private static func fingerprint(_ key: String, _ type: String) throws(ComputeFault) -> String {
        if type == "ssh" {
            guard let key = SSHPublicKey(key) else { throw invalid("failed to generate fingerprint") }
            return key.fingerprint
        }
        guard let certificate = PEMCertificate(key) else {
            throw invalid(
                "failed to generate X509 fingerprint. Error message: Unable to load PEM file: it holds no certificate")
        }
        return certificate.fingerprint
    }

    private static func invalid(_ reason: String) -> ComputeFault {
        .badRequest("Keypair data is invalid: \(reason)")
    }
}

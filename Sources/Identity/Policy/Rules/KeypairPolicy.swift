/// What may be done with key pairs. They belong to users, not to projects.
package enum KeypairPolicy {
    package static let index = PolicyRule(
        "os_compute_api:os-keypairs:index", "(rule:context_is_admin) or user_id:%(user_id)s",
        "List a user's key pairs.",
        [.get("/os-keypairs")])
    package static let create = PolicyRule(
        "os_compute_api:os-keypairs:create", "(rule:context_is_admin) or user_id:%(user_id)s",
        "Add a key pair.",
        [.post("/os-keypairs")])
    package static let show = PolicyRule(
        "os_compute_api:os-keypairs:show", "(rule:context_is_admin) or user_id:%(user_id)s",
        "Show a key pair.",
        [.get("/os-keypairs/{keypair_name}")])
    package static let delete = PolicyRule(
        "os_compute_api:os-keypairs:delete", "(rule:context_is_admin) or user_id:%(user_id)s",
        "Remove a key pair.",
        [.delete("/os-keypairs/{keypair_name}")])

    package static let all = [
        index, create, show, delete,
    ]
}

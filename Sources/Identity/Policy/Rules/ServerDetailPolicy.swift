/// What may be done with the parts of a server.
package enum ServerDetailPolicy {
    package static let extendedAttributes = PolicyRule(
        "os_compute_api:os-extended-server-attributes", PolicyDefault.admin,
        "See where a server runs, its guest's name and the other fields meant for operators.",
        [.get("/servers/{server_id}"), .get("/servers/detail"), .put("/servers/{server_id}")])
    package static let actionList = PolicyRule(
        "os_compute_api:os-instance-actions:list", PolicyDefault.reader,
        "List what was done with a server.",
        [.get("/servers/{server_id}/os-instance-actions")])
    package static let actionShow = PolicyRule(
        "os_compute_api:os-instance-actions:show", PolicyDefault.reader,
        "Show one thing that was done with a server.",
        [.get("/servers/{server_id}/os-instance-actions/{request_id}")])
    package static let actionEvents = PolicyRule(
        "os_compute_api:os-instance-actions:events", PolicyDefault.admin,
        "See the events of an action with traceback and host.",
        [.get("/servers/{server_id}/os-instance-actions/{request_id}")])
    package static let actionEventDetails = PolicyRule(
        "os_compute_api:os-instance-actions:events:details", PolicyDefault.admin,
        "See why an event failed, from microversion 2.84.",
        [.get("/servers/{server_id}/os-instance-actions/{request_id}")])
    package static let metadataList = PolicyRule(
        "os_compute_api:server-metadata:index", PolicyDefault.reader,
        "List a server's metadata.",
        [.get("/servers/{server_id}/metadata")])
    package static let metadataShow = PolicyRule(
        "os_compute_api:server-metadata:show", PolicyDefault.reader,
        "Show one item of a server's metadata.",
        [.get("/servers/{server_id}/metadata/{key}")])
    package static let metadataCreate = PolicyRule(
        "os_compute_api:server-metadata:create", PolicyDefault.member,
        "Add items to a server's metadata.",
        [.post("/servers/{server_id}/metadata")])
    package static let metadataReplace = PolicyRule(
        "os_compute_api:server-metadata:update_all", PolicyDefault.member,
        "Replace a server's metadata.",
        [.put("/servers/{server_id}/metadata")])
    package static let metadataUpdate = PolicyRule(
        "os_compute_api:server-metadata:update", PolicyDefault.member,
        "Set one item of a server's metadata.",
        [.put("/servers/{server_id}/metadata/{key}")])
    package static let metadataDelete = PolicyRule(
        "os_compute_api:server-metadata:delete", PolicyDefault.member,
        "Remove one item of a server's metadata.",
        [.delete("/servers/{server_id}/metadata/{key}")])
    package static let tagList = PolicyRule(
        "os_compute_api:os-server-tags:index", PolicyDefault.reader,
        "List a server's tags.",
        [.get("/servers/{server_id}/tags")])
    package static let tagShow = PolicyRule(
        "os_compute_api:os-server-tags:show", PolicyDefault.reader,
        "Ask whether a server has a tag.",
        [.get("/servers/{server_id}/tags/{tag}")])
    package static let tagReplace = PolicyRule(
        "os_compute_api:os-server-tags:update_all", PolicyDefault.member,
        "Replace a server's tags.",
        [.put("/servers/{server_id}/tags")])
    package static let tagUpdate = PolicyRule(
        "os_compute_api:os-server-tags:update", PolicyDefault.member,
        "Add a tag to a server.",
        [.put("/servers/{server_id}/tags/{tag}")])
    package static let tagDelete = PolicyRule(
        "os_compute_api:os-server-tags:delete", PolicyDefault.member,
        "Remove a tag from a server.",
        [.delete("/servers/{server_id}/tags/{tag}")])
    package static let tagDeleteAll = PolicyRule(
        "os_compute_api:os-server-tags:delete_all", PolicyDefault.member,
        "Remove all tags from a server.",
        [.delete("/servers/{server_id}/tags")])

    package static let all = [
        extendedAttributes, actionList, actionShow, actionEvents, actionEventDetails, metadataList, metadataShow,
        metadataCreate, metadataReplace, metadataUpdate, metadataDelete, tagList, tagShow, tagReplace, tagUpdate,
        tagDelete, tagDeleteAll,
    ]
}

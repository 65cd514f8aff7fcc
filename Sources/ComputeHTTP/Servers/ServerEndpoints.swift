import APIVersioning
import Identity
import WireJSON

/// The operations on servers and their parts.
enum ServerEndpoints {
    static let all = servers + actions + metadata + tags + parts

    private typealias Row = ComputeEndpoint
    private typealias Query = Versioned<JSONSchema?>
    private static let accepted = Versioned(since: v(1), 202)
    private static let done = Versioned(since: v(1), 204)
    private static let since26 = VersionSpan.since(v(26))

    private static let servers: [ComputeEndpoint] = [
        Row("GET", "/servers", always, policy: ServerPolicy.index.name, errors: [400, 403], query: ServerSchemas.list,
            run: .asCaller(ServerListController.index)),
        Row("POST", "/servers", always, policy: ServerPolicy.create.name, errors: [400, 403, 409],
            body: CreateSchemas.create, success: accepted, run: .asCaller(CreateController.create)),
        Row("GET", "/servers/detail", always, policy: ServerPolicy.detail.name, errors: [400, 403],
            query: ServerSchemas.list, run: .asCaller(ServerListController.detail)),
        Row("GET", "/servers/{server_id}", always, policy: ServerPolicy.show.name, errors: [404],
            query: ComputeEndpoints.noQuery, run: .onSubject(ServerController.show)),
        Row("PUT", "/servers/{server_id}", always, policy: ServerPolicy.update.name, errors: [404, 409],
            body: ServerSchemas.update, run: .onSubject(ServerController.update)),
        Row("DELETE", "/servers/{server_id}", always, policy: ServerPolicy.delete.name, errors: [404, 409],
            success: done, run: .onSubject(ServerController.delete)),
    ]

    private static let actionPath = "/servers/{server_id}/action"

    private static let actions: [ComputeEndpoint] = [
        Row("POST", actionPath, always, action: "os-start", policy: ServerPolicy.start.name, errors: [404, 409],
            body: Query(since: v(1), ServerSchemas.action("os-start")), success: accepted,
            run: .onSubject(PowerController.start)),
        Row("POST", actionPath, always, action: "os-stop", policy: ServerPolicy.stop.name, errors: [404, 409],
            body: Query(since: v(1), ServerSchemas.action("os-stop")), success: accepted,
            run: .onSubject(PowerController.stop)),
        Row("POST", actionPath, always, action: "reboot", policy: ServerPolicy.reboot.name, errors: [404, 409],
            body: ServerSchemas.reboot, success: accepted, run: .onSubject(PowerController.reboot)),
        Row("POST", actionPath, always, action: "lock", policy: ServerPolicy.lock.name, errors: [404],
            body: ServerSchemas.lock, success: accepted, run: .onSubject(LockController.lock)),
        Row("POST", actionPath, always, action: "unlock", policy: ServerPolicy.unlock.name, errors: [404],
            body: ServerSchemas.unlock, success: accepted, run: .onSubject(LockController.unlock)),
        Row("POST", actionPath, always, action: "os-resetState", policy: ServerPolicy.resetState.name,
            errors: [404, 409], body: ServerSchemas.resetState, success: accepted,
            run: .onSubject(LockController.resetState)),
        Row("POST", actionPath, always, action: "os-getConsoleOutput", policy: ServerPolicy.consoleOutput.name,
            errors: [404, 409, 501], body: ServerSchemas.consoleOutput, run: .onSubject(ConsoleLogController.show)),
    ]

    private static let metadataPath = "/servers/{server_id}/metadata"
    private static let metadataItemPath = "/servers/{server_id}/metadata/{key}"

    private static let metadata: [ComputeEndpoint] = [
        Row("GET", metadataPath, always, policy: ServerDetailPolicy.metadataList.name, errors: [404],
            query: ComputeEndpoints.noQuery, run: .onSubject(MetadataController.list)),
        Row("POST", metadataPath, always, policy: ServerDetailPolicy.metadataCreate.name, errors: [403, 404, 409],
            body: ServerSchemas.metadata, run: .onSubject(MetadataController.merge)),
        Row("PUT", metadataPath, always, policy: ServerDetailPolicy.metadataReplace.name, errors: [403, 404, 409],
            body: ServerSchemas.metadata, run: .onSubject(MetadataController.replace)),
        Row("GET", metadataItemPath, always, policy: ServerDetailPolicy.metadataShow.name, errors: [404],
            query: ComputeEndpoints.noQuery, run: .onSubject(MetadataController.show)),
        Row("PUT", metadataItemPath, always, policy: ServerDetailPolicy.metadataUpdate.name,
            errors: [400, 403, 404, 409], body: ServerSchemas.metadataItem,
            run: .onSubject(MetadataController.update)),
        Row("DELETE", metadataItemPath, always, policy: ServerDetailPolicy.metadataDelete.name, errors: [404, 409],
            success: done, run: .onSubject(MetadataController.delete)),
    ]

    private static let tagsPath = "/servers/{server_id}/tags"
    private static let tagPath = "/servers/{server_id}/tags/{tag}"

    private static let tags: [ComputeEndpoint] = [
        Row("GET", tagsPath, since26, policy: ServerDetailPolicy.tagList.name, errors: [404],
            run: .onSubject(TagController.list)),
        Row("PUT", tagsPath, since26, policy: ServerDetailPolicy.tagReplace.name, errors: [404, 409],
            body: ServerSchemas.tags, run: .onSubject(TagController.replace)),
        Row("DELETE", tagsPath, since26, policy: ServerDetailPolicy.tagDeleteAll.name, errors: [404, 409],
            success: Versioned(since: v(26), 204), run: .onSubject(TagController.clear)),
        Row("GET", tagPath, since26, policy: ServerDetailPolicy.tagShow.name, errors: [404],
            success: Versioned(since: v(26), 204), run: .onSubject(TagController.show)),
        Row("PUT", tagPath, since26, policy: ServerDetailPolicy.tagUpdate.name, errors: [400, 404, 409],
            body: ServerSchemas.tag, run: .onSubject(TagController.add)),
        Row("DELETE", tagPath, since26, policy: ServerDetailPolicy.tagDelete.name, errors: [404, 409],
            success: Versioned(since: v(26), 204), run: .onSubject(TagController.delete)),
    ]

    private static let parts: [ComputeEndpoint] = [
        Row("GET", "/servers/{server_id}/ips", always, policy: ServerConnectionPolicy.addressList.name, errors: [404],
            query: ComputeEndpoints.noQuery, run: .onSubject(AddressController.list)),
        Row("GET", "/servers/{server_id}/ips/{network}", always, policy: ServerConnectionPolicy.addressShow.name,
            errors: [404], query: ComputeEndpoints.noQuery, run: .onSubject(AddressController.show)),
        Row("GET", "/servers/{server_id}/os-instance-actions", always, policy: ServerDetailPolicy.actionList.name,
            errors: [400, 404], query: ServerSchemas.actionList, run: .onSubject(ActionHistoryController.list)),
        Row("GET", "/servers/{server_id}/os-instance-actions/{request_id}", always,
            policy: ServerDetailPolicy.actionShow.name, errors: [404], query: ComputeEndpoints.noQuery,
            run: .onSubject(ActionHistoryController.show)),
        Row("GET", "/servers/{server_id}/os-interface", always, policy: ServerConnectionPolicy.interfaceList.name,
            errors: [404, 501], query: ComputeEndpoints.noQuery, run: .onSubject(InterfaceController.list)),
        Row("GET", "/servers/{server_id}/os-interface/{port_id}", always,
            policy: ServerConnectionPolicy.interfaceShow.name, errors: [403, 404], query: ComputeEndpoints.noQuery,
            run: .onSubject(InterfaceController.show)),
        Row("GET", "/servers/{server_id}/os-security-groups", always,
            policy: ServerConnectionPolicy.securityGroupList.name, errors: [404], query: ComputeEndpoints.noQuery,
            run: .onSubject(ServerSecurityController.list)),
    ]
}

import APIVersioning
import ComputeModel
import ComputeStore
import WireJSON

/// How servers are shown, by member and microversion.
enum ServerView {
    private typealias Field = ViewField<ServerSubject>

    /// In a list without details: a plain object, the same in all versions.
    static func writeBrief(_ server: InstanceName, _ links: Links, to writer: inout JSONWriter) {
        let id = server.id.description
        writer.object { w in
            w.field("id", id)
            w.field("name", server.name)
            links.write("servers", id, to: &w)
        }
    }

    /// `GET /servers/{id}`, and the answer to a change from 2.75 on.
    static let shown = View<ServerSubject>(basic + extended + later + [serverGroups])
    /// `GET /servers/detail`: groups are never listed.
    static let listed = View<ServerSubject>(basic + extended + later)
    /// The answer to a change before 2.75.
    static let changed = View<ServerSubject>(
        basic.map { $0.name == "addresses" ? plainAddresses : $0 }
            + later.filter { !notInOldChanges.contains($0.name) } + [serverGroups])

    private static let notInOldChanges = ["host_status", "OS-EXT-SRV-ATTR:hostname", "pinned_availability_zone"]

    // MARK: From the first version on

    private static let basic: [Field] = [
        Field("id", always) { $1.string($0.id) },
        Field("name", always) { $1.string($0.server.name) },
        Field("status", always) { $1.string($0.status) },
        Field("tenant_id", always) { $1.string($0.server.projectID) },
        Field("user_id", always) { $1.string($0.server.userID) },
        Field("metadata", always) { $1.raw($0.server.metadataJSON) },
        Field("hostId", always) { $1.string($0.scene.hostID(of: $0.server)) },
        Field("image", always.until(v(98))) { writeImage($0, withProperties: false, &$1) },
        Field("image", .since(v(98))) { writeImage($0, withProperties: true, &$1) },
        Field("flavor", always.until(v(47))) { subject, w in
            w.object { w in
                w.field("id", subject.server.flavorID)
                subject.scene.links.writeBookmark("flavors", subject.server.flavorID, to: &w)
            }
        },
        Field("flavor", .since(v(47)), writeFlavor),
        Field("created", always) { $1.time($0.server.createdAt) },
        Field("updated", always) { $1.time($0.server.updatedAt ?? $0.server.createdAt) },
        Field("addresses", always) { subject, w in
            // A server that is being built has no addresses yet that anybody could use.
            w.raw(subject.server.status.vm == .building ? "{}" : subject.server.addressesJSON)
        },
        Field("accessIPv4", always) { $1.string($0.server.accessIPv4 ?? "") },
        Field("accessIPv6", always) { $1.string($0.server.accessIPv6 ?? "") },
        Field("links", always) { subject, w in writeLinks(subject, &w) },
        Field("OS-DCF:diskConfig", always) { $1.string($0.server.autoDiskConfig ? "AUTO" : "MANUAL") },
        Field("progress", always, when: { ServerStatus.withProgress.contains($0.status) }) {
            $1.int($0.server.progress)
        },
        Field("fault", always, when: \.showsFault, writeFault),
    ]

    private static let plainAddresses = Field("addresses", always) { subject, w in
        if subject.server.status.vm == .building {
            w.raw("{}")
        } else {
            w.value(ServerAddresses(subject.server.addressesJSON).plain)
        }
    }

    // MARK: From the first version on, but in changes only from 2.75 on

    private static let extended: [Field] = [
        Field("OS-EXT-AZ:availability_zone", always) { $1.string($0.server.availabilityZone ?? "") },
        Field("config_drive", always) { $1.string($0.server.configDrive ? "True" : "") },
        Field("key_name", always) { $1.string($0.server.keyName) },
        Field("OS-SRV-USG:launched_at", always) { $1.preciseTime($0.server.launchedAt) },
        Field("OS-SRV-USG:terminated_at", always) { $1.preciseTime($0.server.terminatedAt) },
        Field("security_groups", always, when: { $0.server.securityGroupsJSON != "[]" }) {
            $1.raw($0.server.securityGroupsJSON)
        },
        Field("OS-EXT-STS:task_state", always) { $1.string($0.server.status.task?.rawValue) },
        Field("OS-EXT-STS:vm_state", always) { $1.string($0.server.status.vm.rawValue) },
        Field("OS-EXT-STS:power_state", always) { $1.int($0.server.power.rawValue) },
        Field("os-extended-volumes:volumes_attached", always) { $1.raw("[]") },
    ] + forOperators

    private static let forOperators: [Field] = [
        operators("OS-EXT-SRV-ATTR:host", 1) { $1.string($0.server.host) },
        operators("OS-EXT-SRV-ATTR:instance_name", 1) {
            $1.string($0.scene.guests.name(number: $0.server.number, id: $0.id))
        },
        operators("OS-EXT-SRV-ATTR:hypervisor_hostname", 1) { $1.string($0.server.node) },
        operators("OS-EXT-SRV-ATTR:kernel_id", 3) { $1.string("") },
        operators("OS-EXT-SRV-ATTR:launch_index", 3) { $1.int($0.server.launchIndex) },
        operators("OS-EXT-SRV-ATTR:ramdisk_id", 3) { $1.string("") },
        operators("OS-EXT-SRV-ATTR:reservation_id", 3) { $1.string($0.server.reservationID) },
        operators("OS-EXT-SRV-ATTR:root_device_name", 3) { $1.string($0.server.rootDevice) },
        operators("OS-EXT-SRV-ATTR:user_data", 3) { $1.string($0.server.userData) },
    ]

    private static func operators(
        _ name: String, _ minor: Int, _ write: @escaping @Sendable (ServerSubject, inout JSONWriter) -> Void
    ) -> Field {
        Field(name, .since(v(minor)), when: { $0.scene.showsExtended }, write)
    }

    // MARK: What later versions brought

    private static let later: [Field] = [
        Field("OS-EXT-SRV-ATTR:hostname", .since(v(3)).until(v(90)), when: { $0.scene.showsExtended }) {
            $1.string($0.server.hostname)
        },
        Field("OS-EXT-SRV-ATTR:hostname", .since(v(90))) { $1.string($0.server.hostname) },
        Field("locked", .since(v(9))) { $1.bool($0.server.lock.isLocked) },
        Field("host_status", .since(v(16)), when: { $0.hostStatus != nil }) { $1.string($0.hostStatus) },
        Field("description", .since(v(19))) { $1.string($0.server.description) },
        Field("tags", .since(v(26))) { $1.raw($0.server.tagsJSON) },
        Field("trusted_image_certificates", .since(v(63))) { $1.raw($0.server.trustedCertificatesJSON ?? "null") },
        Field("locked_reason", .since(v(73))) { subject, w in
            switch subject.server.lock {
            case .unlocked: w.null()
            case .locked(_, let reason): w.string(reason)
            }
        },
        Field("pinned_availability_zone", .since(v(96))) { $1.string($0.server.pinnedZone) },
        Field("scheduler_hints", .since(v(100))) { $1.raw($0.server.hintsJSON) },
    ]

    private static let serverGroups = Field("server_groups", .since(v(71))) { $1.raw("[]") }

    // MARK: Members of several parts

    private static func writeLinks(_ subject: ServerSubject, _ writer: inout JSONWriter) {
        writer.array { subject.scene.links.writeElements("servers", subject.id, to: &$0) }
    }

    private static func writeImage(_ subject: ServerSubject, withProperties: Bool, _ writer: inout JSONWriter) {
        guard let image = subject.server.imageID?.description else { return writer.string("") }
        writer.object { w in
            w.field("id", image)
            subject.scene.links.writeBookmark("images", image, to: &w)
            if withProperties {
                w.key("properties")
                w.raw(subject.server.imagePropertiesJSON)
            }
        }
    }

    private static func writeFlavor(_ subject: ServerSubject, _ writer: inout JSONWriter) {
        let server = subject.server
        writer.object { w in
            w.field("vcpus", server.vcpus)
            w.field("ram", server.memoryMiB)
            w.field("disk", server.rootGiB)
            w.field("ephemeral", server.ephemeralGiB)
            w.field("swap", server.swapMiB)
            w.field("original_name", server.flavorName)
            if subject.scene.showsExtraSpecs {
                w.key("extra_specs")
                w.raw(server.extraSpecsJSON)
            }
        }
    }

    private static func writeFault(_ subject: ServerSubject, _ writer: inout JSONWriter) {
        guard let fault = subject.server.fault else { return writer.null() }
        writer.object { w in
            w.field("code", fault.code)
            w.key("created")
            w.time(fault.created)
            w.field("message", fault.message)
            if let details = fault.details, subject.scene.isAdmin || fault.code != 500 { w.field("details", details) }
        }
    }
}

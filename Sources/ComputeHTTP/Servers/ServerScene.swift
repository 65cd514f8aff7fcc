import APIVersioning
import ComputeModel
import ComputeStore
import DriverAPI
import Identity
import ServiceOptions

/// What all servers of one answer share: how they are linked, and what the caller may see of them.
final class ServerScene: Sendable {
    /// Which states of a server's host may be seen.
    enum HostStatusShown: Sendable {
        case none
        case unknownOnly
        case all
    }

    /// All that the text of a server in a list depends on beside its row and the state of its host.
    struct Kind: Sendable, Hashable {
        let version: Microversion
        let selfBase: String
        let bookmarkBase: String
        let isAdmin: Bool
        let showsExtraSpecs: Bool
        let showsExtended: Bool
    }

    let kind: Kind
    let links: Links
    let isAdmin: Bool
    let showsExtraSpecs: Bool
    /// Where it runs, what its guest is called, and the like.
    let showsExtended: Bool
    let hostStatus: HostStatusShown
    /// The state of each host, where it is shown.
    let hosts: [String: String]
    let guests: GuestNaming
    /// Host identifiers by host and project; a list has few of them for many servers.
    private let hostIDs = Locked<[String: String]>([:])

    /// - Parameter project: the owner of the servers; nil in lists, where the caller's own project decides.
    init(_ call: ComputeCall, project: String?) async throws {
        let target = project.map { PolicyTarget(projectID: $0) }
        links = call.links
        isAdmin = call.context.isAdmin
        showsExtraSpecs = call.has(47) && call.allows(ServerPolicy.showFlavorExtraSpecs, target)
        showsExtended = call.allows(ServerDetailPolicy.extendedAttributes, target)
        kind = Kind(
            version: call.version, selfBase: links.selfBase, bookmarkBase: links.bookmarkBase, isAdmin: isAdmin,
            showsExtraSpecs: showsExtraSpecs, showsExtended: showsExtended)
        guests = GuestNaming(call.services.options.service.instanceNameTemplate)
        if !call.has(16) {
            hostStatus = .none
        } else if call.allows(ServerPolicy.showHostStatus, target) {
            hostStatus = .all
        } else {
            hostStatus = call.allows(ServerPolicy.showUnknownHostStatus, target) ? .unknownOnly : .none
        }
        hosts = hostStatus == .none ? [:] : try await Self.hosts(call.services)
    }

    /// The state of a server's host as far as it may be seen; nil when it may not.
    func hostStatus(of host: String?) -> String? {
        let word = host.map { hosts[$0] ?? "" } ?? ""
        return switch hostStatus {
        case .none: nil
        case .unknownOnly: word == "UNKNOWN" ? word : nil
        case .all: word
        }
    }

    /// What tells a project whether two of its servers share a host.
    func hostID(of server: InstanceRecord) -> String {
        guard let host = server.host else { return "" }
        let key = server.projectID + "/" + host
        if let known = hostIDs.with({ $0[key] }) { return known }
        let made = HostIdentifier.text(host: host, project: server.projectID)
        hostIDs.with { $0[key] = made }
        return made
    }

    private static func hosts(_ services: ComputeServices) async throws -> [String: String] {
        let (now, downAfter) = (services.now, services.options.node.serviceDownTime)
        var words: [String: String] = [:]
        for service in try await services.store.services() where service.binary == "nova-compute" {
            words[service.host] =
                if service.isForcedDown {
                    "DOWN"
                } else if service.isDisabled {
                    "MAINTENANCE"
                } else {
                    service.isUp(at: now, downAfter: downAfter) ? "UP" : "UNKNOWN"
                }
        }
        return words
    }
}

/// A server together with the scene it is shown in. A class, so that handing it from field to field costs nothing.
final class ServerSubject: Sendable {
    let server: InstanceRecord
    let scene: ServerScene
    let status: String
    let id: String

    init(_ server: InstanceRecord, _ scene: ServerScene) {
        self.server = server
        self.scene = scene
        status = ServerStatus.word(server)
        id = server.id.description
    }

    /// Whether the reason of a failure is shown.
    var showsFault: Bool { server.fault != nil && ServerStatus.withFault.contains(status) }

    /// The state of its host as far as it may be seen; nil when it may not.
    var hostStatus: String? { scene.hostStatus(of: server.host) }
}

/// How servers' guests are named: a template with one `%x`, `%d` or `%s`, with a width if wanted. Read once, as lists
/// name hundreds of guests.
struct GuestNaming: Sendable {
    private enum Value { case hexadecimal, decimal, id }
    private let head: String
    private let tail: String
    private let fill: Character
    private let width: Int
    /// `nil` when the template names all guests alike.
    private let value: Value?

    init(_ template: String) {
        guard let percent = template.firstIndex(of: "%") else {
            (head, tail, fill, width, value) = (template, "", " ", 0, nil)
            return
        }
        head = String(template[..<percent])
        var rest = template[template.index(after: percent)...]
        fill = rest.first == "0" ? "0" : " "
        width = Int(rest.prefix { $0.isASCII && $0.isNumber }) ?? 0
        rest = rest.drop { $0.isASCII && $0.isNumber }
        value =
            switch rest.first {
            case "x": .hexadecimal
            case "d": .decimal
            default: .id
            }
        tail = String(rest.dropFirst())
    }

    func name(number: Int64, id: String) -> String {
        let text: String
        switch value {
        case .hexadecimal: text = String(number, radix: 16)
        case .decimal: text = String(number)
        case .id: text = id
        case nil: return head
        }
        let missing = width - text.utf8.count
        guard missing > 0 else { return head + text + tail }
        return head + String(repeating: fill, count: missing) + text + tail
    }
}

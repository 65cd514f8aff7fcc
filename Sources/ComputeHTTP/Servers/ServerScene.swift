import ComputeModel
import ComputeStore
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

    let links: Links
    let isAdmin: Bool
    let showsExtraSpecs: Bool
    /// Where it runs, what its guest is called, and the like.
    let showsExtended: Bool
    let hostStatus: HostStatusShown
    /// The state of each host, where it is shown.
    let hosts: [String: String]
    let nameTemplate: String

    /// - Parameter project: the owner of the servers; nil in lists, where the caller's own project decides.
    init(_ call: ComputeCall, project: String?) async throws {
        let target = project.map { PolicyTarget(projectID: $0) }
        links = call.links
        isAdmin = call.context.isAdmin
        showsExtraSpecs = call.has(47) && call.allows(ServerPolicy.showFlavorExtraSpecs, target)
        showsExtended = call.allows(ServerDetailPolicy.extendedAttributes, target)
        nameTemplate = call.services.options.service.instanceNameTemplate
        if !call.has(16) {
            hostStatus = .none
        } else if call.allows(ServerPolicy.showHostStatus, target) {
            hostStatus = .all
        } else {
            hostStatus = call.allows(ServerPolicy.showUnknownHostStatus, target) ? .unknownOnly : .none
        }
        hosts = hostStatus == .none ? [:] : try await Self.hosts(call.services)
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
    var hostStatus: String? {
        let word = server.host.map { scene.hosts[$0] ?? "" } ?? ""
        return switch scene.hostStatus {
        case .none: nil
        case .unknownOnly: word == "UNKNOWN" ? word : nil
        case .all: word
        }
    }
}

/// The name of a server's guest, by the template with one `%x`, `%d` or `%s`, with a width if wanted.
enum GuestName {
    static func text(_ template: String, number: Int64, id: String) -> String {
        guard let percent = template.firstIndex(of: "%") else { return template }
        let head = template[..<percent]
        var rest = template[template.index(after: percent)...]
        let isZeroFilled = rest.first == "0"
        let width = Int(rest.prefix { $0.isASCII && $0.isNumber }) ?? 0
        rest = rest.drop { $0.isASCII && $0.isNumber }
        let value =
            switch rest.first {
            case "x": String(number, radix: 16)
            case "d": String(number)
            default: id
            }
        let fill = String(repeating: isZeroFilled ? "0" : " ", count: max(0, width - value.utf8.count))
        return head + fill + value + rest.dropFirst()
    }
}

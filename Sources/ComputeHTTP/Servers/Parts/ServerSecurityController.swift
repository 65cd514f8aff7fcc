import ComputeModel
import ComputeStore
import HTTPService
import Identity
import PeerClients
import WireJSON

/// The security groups that a server's ports are in, in the old form of the compute API.
enum ServerSecurityController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerConnectionPolicy.securityGroupList)
        let groups = try await groups(of: server, call)
        let names = try await namesOfRemoteGroups(groups, call)
        return call.answer { w in
            w.array("security_groups") { w in
                for group in groups.sorted(by: { ($0.projectID, $0.name) < ($1.projectID, $1.name) }) {
                    write(group, names, &w)
                }
            }
        }
    }

    private static func groups(of server: InstanceRecord, _ call: ComputeCall) async throws -> [SecurityGroup] {
        let ports = try await call.services.networks.ports(
            [("device_id", server.id.description)], token: call.context.authToken)
        return try await groups(Set(ports.flatMap(\.securityGroups)), call)
    }

    private static func groups(_ ids: Set<SecurityGroupID>, _ call: ComputeCall) async throws -> [SecurityGroup] {
        guard !ids.isEmpty else { return [] }
        return try await call.services.networks.securityGroups(
            ids.sorted().map { ("id", $0.description) }, token: call.context.authToken)
    }

    /// Groups that rules refer to, by identifier. A rule whose group is gone is left out.
    private static func namesOfRemoteGroups(
        _ groups: [SecurityGroup], _ call: ComputeCall
    ) async throws -> [SecurityGroupID: SecurityGroup] {
        var known = Dictionary(groups.map { ($0.id, $0) }) { first, _ in first }
        let missing = Set(groups.flatMap(\.rules).compactMap(\.remoteGroup)).subtracting(known.keys)
        for group in try await Self.groups(missing, call) { known[group.id] = group }
        return known
    }

    private static func write(
        _ group: SecurityGroup, _ known: [SecurityGroupID: SecurityGroup], _ writer: inout JSONWriter
    ) {
        writer.object { w in
            w.field("id", group.id.description)
            w.field("name", group.name)
            w.field("description", group.summary)
            w.field("tenant_id", group.projectID)
            w.array("rules") { w in
                for rule in group.rules where rule.direction == "ingress" {
                    if let remote = rule.remoteGroup, known[remote] == nil { continue }
                    write(rule, of: group, rule.remoteGroup.flatMap { known[$0] }, &w)
                }
            }
        }
    }

    private static func write(
        _ rule: SecurityGroupRule, of group: SecurityGroup, _ remote: SecurityGroup?, _ writer: inout JSONWriter
    ) {
        let ports = ports(rule)
        writer.object { w in
            w.field("id", rule.id)
            w.field("parent_group_id", group.id.description)
            w.field("ip_protocol", rule.protocolName)
            w.field("from_port", ports.from)
            w.field("to_port", ports.to)
            w.object("group") { w in
                guard let remote else { return }
                w.field("name", remote.name)
                w.field("tenant_id", remote.projectID)
            }
            w.object("ip_range") { w in
                if remote == nil { w.field("cidr", rule.remotePrefix ?? "0.0.0.0/0") }
            }
        }
    }

    /// The old form has no rule for all ports: those are spelled out.
    private static func ports(_ rule: SecurityGroupRule) -> (from: Int?, to: Int?) {
        guard let name = rule.protocolName?.uppercased(), rule.portMin == nil, rule.portMax == nil else {
            return (rule.portMin, rule.portMax)
        }
        return name == "TCP" || name == "UDP" ? (1, 65535) : (-1, -1)
    }
}

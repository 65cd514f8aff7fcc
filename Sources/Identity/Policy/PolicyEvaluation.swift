package import WireJSON

/// How a token is scoped. Rules say which scopes they are meant for.
package enum PolicyScope: String, Sendable, Hashable, CaseIterable { case project, domain, system }

/// Who asks, as policy sees it.
package protocol PolicyCredentials: Sendable {
    /// An attribute of the caller, such as `project_id`; nil when the caller has none of that name.
    func attribute(_ name: String) -> JSONValue?
    /// True when the caller has the role; the name is given in lower case.
    func hasRole(_ lowered: String) -> Bool
    var scope: PolicyScope { get }
}

/// What is being acted upon, as policy sees it.
package struct PolicyTarget: Sendable, Hashable {
    package var projectID: String?
    package var userID: String?
    /// Further attributes by the whole text between `%(` and `)s`.
    package var attributes: [String: JSONValue]

    package init(projectID: String? = nil, userID: String? = nil, attributes: [String: JSONValue] = [:]) {
        (self.projectID, self.userID, self.attributes) = (projectID, userID, attributes)
    }

    /// The target of operations that create or list in the caller's own project.
    package init(_ context: RequestContext) { self.init(projectID: context.projectID, userID: context.userID) }

    func text(of key: String) -> String? {
        switch key {
        case "project_id" where projectID != nil: projectID
        case "user_id" where userID != nil: userID
        default: attributes[key].map(\.policyText)
        }
    }
}

extension PolicyCheck {
    /// Whether the check allows. References to rules must have been linked; one that was not denies.
    package func allows(_ credentials: some PolicyCredentials, _ target: PolicyTarget) -> Bool {
        switch self {
        case .always: true
        case .never, .rule: false
        case .not(let check): !check.allows(credentials, target)
        case .and(let checks): checks.allSatisfy { $0.allows(credentials, target) }
        case .or(let checks): checks.contains { $0.allows(credentials, target) }
        case .role(let template): template.text(for: target).map { credentials.hasRole($0.lowercased()) } ?? false
        case .literal(let text, let template): template.text(for: target) == text
        case .attribute(let path, let template):
            template.text(for: target).map { match in
                credentials.attribute(path[0]).map { Self.matches($0, path.dropFirst(), match) } ?? false
            } ?? false
        }
    }

    /// Follows the path. In a list it is enough that one element matches.
    private static func matches(_ value: JSONValue, _ path: ArraySlice<String>, _ match: String) -> Bool {
        if case .array(let items) = value { return items.contains { matches($0, path, match) } }
        guard let key = path.first else { return value.policyText == match }
        return value[key].map { matches($0, path.dropFirst(), match) } ?? false
    }
}

extension PolicyTemplate {
    /// The text for a target; nil when the target lacks an attribute.
    func text(for target: PolicyTarget) -> String? {
        if pieces.count == 1 {
            return switch pieces[0] {
            case .text(let text): text
            case .key(let key): target.text(of: key)
            }
        }
        var result = ""
        for piece in pieces {
            switch piece {
            case .text(let text): result += text
            case .key(let key):
                guard let text = target.text(of: key) else { return nil }
                result += text
            }
        }
        return result
    }
}

extension JSONValue {
    /// The value as Python prints it, which is how policy files compare.
    var policyText: String {
        switch self {
        case .null: "None"
        case .bool(let value): value ? "True" : "False"
        case .int(let value): String(value)
        case .double(let value): "\(value)"
        case .string(let value): value
        case .array(let items): "[" + items.map(\.quotedPolicyText).joined(separator: ", ") + "]"
        case .object(let object):
            "{" + object.map { "'\($0.key)': \($0.value.quotedPolicyText)" }.joined(separator: ", ") + "}"
        }
    }

    private var quotedPolicyText: String {
        if case .string(let value) = self { "'\(value)'" } else { policyText }
    }
}

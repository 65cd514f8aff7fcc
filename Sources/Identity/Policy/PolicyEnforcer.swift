import DriverAPI
import FoundationEssentials

/// A caller may not do something.
package struct PolicyRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// The rule that said no.
    package let rule: String
    /// For the caller, in the reference's words.
    package var description: String { "Policy doesn't allow \(rule) to be performed." }
}

/// Decides who may do what: the declared rules, with an operator's overrides. Rules are compiled once; a decision
/// takes no lock for long and never waits.
package final class PolicyEnforcer: Sendable {
    private struct Rules: Sendable {
        var checks: [String: PolicyCheck] = [:]
        /// The check for names that nobody declared, from an override named `default`.
        var fallback: PolicyCheck?
        /// The text of the file that this was made from.
        var fileText: String?
    }
    private let declared: [String: PolicyRule]
    private let rules: Locked<Rules>
    private let path: String?

    /// - Parameters:
    ///   - rules: the declared rules, `PolicyRule.all`; a name declared twice is a fault of the program.
    ///   - overridePath: a file of overrides.
    /// - Throws: `PolicyFileError` for a file that cannot be read or has a mistake in it.
    package init(_ rules: [PolicyRule] = PolicyRule.all, overridePath: String? = nil) throws(PolicyFileError) {
        declared = Dictionary(rules.map { ($0.name, $0) }) { first, _ in
            preconditionFailure("the policy rule \(first.name) is declared twice")
        }
        path = overridePath
        let text = try overridePath.map { path throws(PolicyFileError) in try Self.read(path) }
        self.rules = Locked(try Self.compile(declared, text, overridePath ?? "policy.yaml"))
    }

    /// As above, from the text of the overrides.
    package init(_ rules: [PolicyRule] = PolicyRule.all, overrides: String) throws(PolicyFileError) {
        declared = Dictionary(rules.map { ($0.name, $0) }) { first, _ in
            preconditionFailure("the policy rule \(first.name) is declared twice")
        }
        path = nil
        self.rules = Locked(try Self.compile(declared, overrides, "policy.yaml"))
    }

    /// Reads the overrides again if their file has changed.
    ///
    /// - Returns: true when other rules are in force now.
    /// - Throws: `PolicyFileError`; the rules stay as they were.
    @discardableResult
    package func reload() throws(PolicyFileError) -> Bool {
        guard let path else { return false }
        let text = try Self.read(path)
        guard rules.with({ $0.fileText }) != text else { return false }
        let compiled = try Self.compile(declared, text, path)
        rules.with { $0 = compiled }
        return true
    }

    /// Whether the rule allows. Unknown rules deny, unless an override named `default` says otherwise.
    package func allows(_ rule: PolicyRule, _ context: RequestContext, _ target: PolicyTarget? = nil) -> Bool {
        allows(rule.name, context, target ?? PolicyTarget(context))
    }

    /// - Throws: `PolicyRefusal` naming the rule that did not allow.
    package func require(
        _ rule: PolicyRule, _ context: RequestContext, _ target: PolicyTarget? = nil
    ) throws(PolicyRefusal) {
        guard allows(rule, context, target) else { throw PolicyRefusal(rule: rule.name) }
    }

    /// By name, for any kind of caller.
    package func allows(_ name: String, _ caller: some PolicyCredentials, _ target: PolicyTarget) -> Bool {
        if let rule = declared[name], !rule.scopes.isEmpty, !rule.scopes.contains(caller.scope) { return false }
        let check = rules.with { $0.checks[name] ?? $0.fallback }
        return check?.allows(caller, target) ?? false
    }

    /// The context of a request whose token was checked; says whether the caller is an administrator, and counts the
    /// service token only if it has one of the roles.
    package func context(
        token: TokenFacts, authToken: String?, service: TokenFacts? = nil, serviceRoles: [String] = ["service"],
        requestID: String, globalRequestID: String? = nil
    ) -> RequestContext {
        let isService = service.map { !Set($0.roles).isDisjoint(with: serviceRoles) } ?? false
        var context = RequestContext(
            token: token, authToken: authToken, service: isService ? service : nil, requestID: requestID,
            globalRequestID: globalRequestID)
        context.isAdmin = allows(BasePolicy.contextIsAdmin, context)
        return context
    }

    /// The check in force for a rule, with references replaced, as one writes it.
    package func description(of name: String) -> String? { rules.with { $0.checks[name]?.description } }

    private static func read(_ path: String) throws(PolicyFileError) -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw PolicyFileError(path: path, line: 0, reason: "cannot be read: \(error)")
        }
    }

    private static func compile(
        _ declared: [String: PolicyRule], _ text: String?, _ path: String
    ) throws(PolicyFileError) -> Rules {
        var checks: [String: PolicyCheck] = [:]
        for rule in declared.values {
            do throws(PolicyParseError) {
                checks[rule.name] = try PolicyParser.parse(rule.check)
            } catch {
                preconditionFailure("the declared policy rule \(rule.name) cannot be compiled: \(error)")
            }
        }
        if let text {
            for entry in try PolicyFile.parse(text, path: path) { checks[entry.name] = entry.check }
        }
        var linked: [String: PolicyCheck] = [:]
        for name in checks.keys {
            do throws(PolicyParseError) {
                linked[name] = try link(.rule(name), checks, [])
            } catch {
                throw PolicyFileError(path: path, line: 0, reason: "\(error)")
            }
        }
        return Rules(checks: linked, fallback: linked["default"], fileText: text)
    }

    /// Replaces references to rules by those rules' checks. Rules that do not exist deny.
    private static func link(
        _ check: PolicyCheck, _ checks: [String: PolicyCheck], _ path: [String]
    ) throws(PolicyParseError) -> PolicyCheck {
        switch check {
        case .always, .never, .role, .attribute, .literal: return check
        case .not(let inner): return .not(try link(inner, checks, path))
        case .and(let inner):
            return .and(try inner.map { check throws(PolicyParseError) in try link(check, checks, path) })
        case .or(let inner):
            return .or(try inner.map { check throws(PolicyParseError) in try link(check, checks, path) })
        case .rule(let name):
            guard !path.contains(name) else {
                throw PolicyParseError(check: (path + [name]).joined(separator: " → "), reason: "refers to itself")
            }
            guard let target = checks[name] ?? checks["default"] else { return .never }
            return try link(target, checks, path + [name])
        }
    }
}

import Identity
import Testing
import WireJSON

/// A caller made of plain attributes.
struct PlainCaller: PolicyCredentials {
    var attributes: JSONObject
    var scope: PolicyScope = .project

    func attribute(_ name: String) -> JSONValue? { attributes[name] }
    func hasRole(_ lowered: String) -> Bool {
        attributes["roles"]?.array?.contains { $0.string?.lowercased() == lowered } ?? false
    }
}

@Suite struct PolicyParserTests {
    private func answers(_ name: String, _ enforcer: PolicyEnforcer) throws -> String {
        var digits = ""
        for caller in ReferencePolicyAnswers.callers {
            let attributes = try #require(try JSONParser.parse(caller).object)
            for target in ReferencePolicyAnswers.targets {
                let members = try #require(try JSONParser.parse(target).object)
                let pairs = members.map { ($0.key, $0.value) }
                let target = PolicyTarget(attributes: Dictionary(uniqueKeysWithValues: pairs))
                digits += enforcer.allows(name, PlainCaller(attributes: attributes), target) ? "1" : "0"
            }
        }
        return digits
    }

    private func enforcer(_ check: String) throws -> PolicyEnforcer {
        let rules = ReferencePolicyAnswers.rules.map { PolicyRule($0.name, $0.check, "", scopes: []) }
        let overrides = JSONValue.object(["checked": .string(check)]).text
        return try PolicyEnforcer(rules, overrides: overrides)
    }

    @Test func expressionsAnswerAsTheReferenceDoes() throws {
        #expect(ReferencePolicyAnswers.expressions.count >= 200)
        for (check, expected) in ReferencePolicyAnswers.expressions {
            let found = try answers("checked", try enforcer(check))
            #expect(found == expected, "\(check)")
        }
    }

    @Test func listsAnswerAsTheReferenceDoes() throws {
        for (check, expected) in ReferencePolicyAnswers.lists {
            let rules = ReferencePolicyAnswers.rules.map { PolicyRule($0.name, $0.check, "", scopes: []) }
            let lists = JSONValue.array(check.map { .array($0.map(JSONValue.string)) })
            let enforcer = try PolicyEnforcer(rules, overrides: JSONValue.object(["checked": lists]).text)
            let found = try answers("checked", enforcer)
            #expect(found == expected, "\(check)")
        }
    }

    @Test(arguments: ReferencePolicyAnswers.mistakes)
    func mistakesAreRefused(check: String) {
        #expect(throws: PolicyParseError.self) { try PolicyParser.parse(check) }
    }

    @Test(arguments: [
        "http://example.org/check", "https://x", "role", "not nonsense", "role:%(x)d", "role:100%", "a b:c",
        "'x:%(y)s", ":x", "1.5:%(x)s", "0x10:%(x)s",
    ])
    func whatCannotBeUnderstoodIsRefused(check: String) {
        #expect(throws: PolicyParseError.self) { try PolicyParser.parse(check) }
    }

    @Test func deepNestingIsRefusedBeforeTheStackEnds() {
        let deep = String(repeating: "(", count: 100_000) + "@" + String(repeating: ")", count: 100_000)
        #expect(throws: PolicyParseError.self) { try PolicyParser.parse(deep) }
        #expect(throws: PolicyParseError.self) { try PolicyParser.parse(String(repeating: "not ", count: 9999) + "@") }
    }

    @Test func aCheckIsWrittenBackAsItWasMeant() throws {
        let check = try PolicyParser.parse("role:a and (not rule:b or 'x':%(y.z)s) or @")
        #expect(check.description == "((role:a and (not rule:b or 'x':%(y.z)s)) or @)")
        #expect(try PolicyParser.parse(check.description) == check)
    }
}

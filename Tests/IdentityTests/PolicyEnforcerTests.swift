import ComputeModel
import FoundationEssentials
import Identity
import Testing
import WireJSON

func facts(
    _ user: String = "u1", project: String? = "p1", roles: [String], system: String? = nil, domain: String? = nil,
    expires: Timestamp = Timestamp(seconds: 4_000_000_000)
) -> TokenFacts {
    TokenFacts(
        userID: user, userName: user, projectID: project, domainID: domain, systemScope: system, roles: roles,
        expiresAt: expires)
}

@Suite struct PolicyEnforcerTests {
    private let enforcer: PolicyEnforcer

    init() throws { enforcer = try PolicyEnforcer() }

    private func context(_ token: TokenFacts, service: TokenFacts? = nil) -> RequestContext {
        enforcer.context(token: token, authToken: "t", service: service, requestID: "req-1")
    }

    /// The callers of the matrix, in the order of its columns.
    private var callers: [RequestContext] {
        [
            context(facts(roles: ["admin", "manager", "member", "reader"])),
            context(facts(roles: ["manager", "member", "reader"])),
            context(facts(roles: ["member", "reader"])),
            context(facts(roles: ["reader"])),
            context(facts(project: "p2", roles: ["manager", "member", "reader"])),
            context(facts(roles: ["service"])),
            context(facts(roles: [])),
        ]
    }

    @Test func everyRuleAnswersItsDefaultForEveryKindOfCaller() throws {
        let expected = [
            "rule:context_is_admin": "1000000",
            "rule:project_manager_or_admin": "1100000",
            "rule:project_member_or_admin": "1110000",
            "rule:project_reader_or_admin": "1111000",
            "rule:service_or_admin": "1000010",
            "@": "1111111",
            "(rule:context_is_admin) or user_id:%(user_id)s": "1111111",
        ]
        let target = PolicyTarget(projectID: "p1", userID: "u1")
        let operations = PolicyRule.all.filter { !$0.operations.isEmpty }
        #expect(operations.count >= 75)
        for rule in operations {
            let answers = callers.map { enforcer.allows(rule, $0, target) ? "1" : "0" }.joined()
            #expect(answers == (try #require(expected[rule.check])), "\(rule.name)")
        }
    }

    @Test func keyPairsBelongToUsers() {
        let member = context(facts(roles: ["member"]))
        #expect(enforcer.allows(KeypairPolicy.show, member, PolicyTarget(userID: "u1")))
        #expect(!enforcer.allows(KeypairPolicy.show, member, PolicyTarget(userID: "u2")))
    }

    @Test func withoutATargetTheCallersOwnProjectIsMeant() {
        #expect(enforcer.allows(ServerPolicy.create, context(facts(roles: ["member"]))))
        #expect(!enforcer.allows(ServerPolicy.create, context(facts(project: nil, roles: ["member"]))))
    }

    @Test func aRefusalNamesTheRule() {
        let reader = context(facts(roles: ["reader"]))
        let refusal = #expect(throws: PolicyRefusal.self) { try enforcer.require(ServerPolicy.create, reader) }
        #expect(refusal?.description == "Policy doesn't allow os_compute_api:servers:create to be performed.")
    }

    @Test func tokensOfOtherScopesAreRefusedWhateverTheirRoles() {
        let tokens = [
            facts(project: nil, roles: ["admin"], system: "all"), facts(project: nil, roles: ["admin"], domain: "d"),
        ]
        for token in tokens {
            let admin = context(token)
            #expect(admin.isAdmin)
            #expect(!enforcer.allows(CloudPolicy.serviceList, admin))
        }
    }

    @Test func aServiceTokenCountsOnlyWithTheServiceRole() {
        let token = facts(roles: ["member"])
        #expect(context(token, service: facts("nova", roles: ["service"])).serviceRoles == ["service"])
        #expect(context(token, service: facts("nova", roles: ["member"])).service == nil)
    }

    @Test func overridesReplaceDeclaredRulesAndTheRulesBuiltOnThem() throws {
        let enforcer = try PolicyEnforcer(
            overrides: """
                # Operators of the first shift.
                ---
                "context_is_admin": "role:operator"   # not admin
                os_compute_api:servers:create: '!'
                'os_compute_api:servers:show':
                    role:a
                    or role:b
                "os_compute_api:servers:delete": [["role:a", "role:b"], ["@"]]
                "os_compute_api:servers:update": ""
                "member_of": 'member':%(role)s
                """)
        let admin = enforcer.context(token: facts(roles: ["admin", "member"]), authToken: nil, requestID: "r")
        let operator_ = enforcer.context(token: facts(roles: ["Operator"]), authToken: nil, requestID: "r")
        #expect(!admin.isAdmin && operator_.isAdmin)
        #expect(enforcer.allows(CloudPolicy.serviceList, operator_))
        #expect(!enforcer.allows(CloudPolicy.serviceList, admin))
        #expect(!enforcer.allows(ServerPolicy.create, admin))
        #expect(enforcer.description(of: "os_compute_api:servers:show") == "(role:a or role:b)")
        #expect(enforcer.allows(ServerPolicy.delete, admin))
        #expect(enforcer.allows(ServerPolicy.update, admin))
        #expect(enforcer.allows("member_of", admin, PolicyTarget(attributes: ["role": "member"])))
    }

    @Test func unknownRulesDenyUnlessADefaultSaysOtherwise() throws {
        let admin = context(facts(roles: ["admin"]))
        #expect(!enforcer.allows("no:such:rule", admin, PolicyTarget()))
        let lenient = try PolicyEnforcer(overrides: #"{"default": "role:admin"}"#)
        #expect(lenient.allows("no:such:rule", admin, PolicyTarget()))
    }

    @Test(arguments: [
        ("\"a\": \"role:x\"\n\"b\": \"http://u\"", "policy.yaml:2: b: \"http://u\": checks by a web service are not"),
        ("\"a\": \"rule:b\"\n\"b\": \"rule:a\"", "refers to itself"),
        ("\"a\": \"@\"\n\"a\": \"!\"", "policy.yaml:2: a is given twice"),
        ("  x", "policy.yaml:1: an indented line continues nothing"),
        ("nonsense", "policy.yaml:1: not of the form"),
        ("\"a\": >", "this form of YAML is not supported"),
        ("\"a\": \"role:x", "the quote is not closed"),
        ("\"a\": \"role:x\" y", "something follows the closing quote"),
        ("{\"a\": 1}", "is not a list of lists"),
        ("{\"a\": ", "policy.yaml:1:"),
    ])
    func aMistakeInTheFileSaysWhereAndWhat(text: String, expected: String) {
        let error = #expect(throws: PolicyFileError.self) { try PolicyEnforcer(overrides: text) }
        #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
    }

    @Test func aChangedFileIsReadAgainAndABrokenOneChangesNothing() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "policy-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "policy.yaml").path
        func write(_ text: String) throws { try Data(text.utf8).write(to: folder.appending(path: "policy.yaml")) }
        let reader = context(facts(roles: ["reader"]))

        #expect(throws: PolicyFileError.self) { try PolicyEnforcer(overridePath: path) }
        try write("\"os_compute_api:servers:create\": \"role:reader\"")
        let enforcer = try PolicyEnforcer(overridePath: path)
        #expect(enforcer.allows(ServerPolicy.create, reader))
        #expect(try enforcer.reload() == false)
        try write("\"os_compute_api:servers:create\": \"role:reader and\"")
        #expect(throws: PolicyFileError.self) { try enforcer.reload() }
        #expect(enforcer.allows(ServerPolicy.create, reader))
        try write("\"os_compute_api:servers:create\": \"!\"")
        #expect(try enforcer.reload())
        #expect(!enforcer.allows(ServerPolicy.create, reader))
    }

    @Test func everyRuleIsDeclaredOnceAndDescribed() {
        let rules = PolicyRule.all
        #expect(Set(rules.map(\.name)).count == rules.count)
        for rule in rules { #expect(rule.description.hasSuffix("."), "\(rule.name)") }
    }
}

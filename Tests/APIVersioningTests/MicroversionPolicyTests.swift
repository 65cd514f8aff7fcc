import APIVersioning
import Testing

@Suite struct MicroversionPolicyTests {
    static let compute = MicroversionPolicy.compute(Microversion(2, 1), Microversion(2, 104))
    static let placement = MicroversionPolicy.placement(Microversion(1, 0), Microversion(1, 39))

    @Test(arguments: [
        ([], [], "2.1"),
        (["compute 2.5"], [], "2.5"),
        (["compute 2.5"], ["2.3"], "2.5"),
        (["volume 3.1"], ["2.3"], "2.3"),
        (["compute"], ["2.3"], "2.3"),
        ([""], [], "2.1"),
        (["compute latest"], [], "2.104"),
        ([], ["latest"], "2.104"),
        (["volume 3.59, Compute 2.60 ,placement 1.30"], [], "2.60"),
        (["volume 3.59", "compute 2.61"], [], "2.61"),
        (["compute 2.6, compute 2.7"], [], "2.7"),
        ([" , compute\t2.8,"], [], "2.8"),
        ([], ["2.1,2.9"], "2.9"),
    ] as [([String], [String], String)])
    func computeFindsTheVersion(standard: [String], legacy: [String], version: String) throws {
        #expect("\(try Self.compute.negotiate(standard: standard, legacy: legacy))" == version)
    }

    @Test(arguments: [
        (["compute 2"], [], "2"), (["compute 2.05"], [], "2.05"), (["compute 2.5 x"], [], "2.5 x"),
        (["compute LATEST"], [], "LATEST"), ([], [""], ""), ([], ["abc"], "abc"), (["compute 2.-1"], [], "2.-1"),
    ] as [([String], [String], String)])
    func computeRefusesWhatIsNoVersion(standard: [String], legacy: [String], quoted: String) {
        let refusal = #expect(throws: MicroversionRefusal.self) {
            try Self.compute.negotiate(standard: standard, legacy: legacy)
        }
        #expect(refusal?.status == 400)
        #expect(
            refusal?.message
                == "API Version String \(quoted) is of invalid format. Must be of format MajorNum.MinorNum.")
    }

    @Test(arguments: ["2.0", "2.105", "1.5", "3.1", "2.99999999999999999999"])
    func computeRefusesAVersionThatItDoesNotSpeak(version: String) {
        let refusal = #expect(throws: MicroversionRefusal.self) {
            try Self.compute.negotiate(standard: ["compute \(version)"])
        }
        #expect(refusal?.status == 406)
        #expect(refusal?.message.hasSuffix("Minimum is 2.1 and maximum is 2.104.") == true)
        if version == "2.105" {
            #expect(
                refusal?.message
                    == "Version 2.105 is not supported by the API. Minimum is 2.1 and maximum is 2.104.")
        }
    }

    @Test(arguments: [
        ("", "1.0"), ("compute 2.1", "1.0"), ("placement", "1.0"), ("placement 1.10", "1.10"),
        ("placement  01.5 ", "1.5"), ("PLACEMENT 1.4", "1.4"), ("placement latest", "1.39"), ("placement 1. 5", "1.5"),
        ("placement 1.2, placement 1.3", "1.3"),
    ])
    func placementFindsTheVersion(header: String, version: String) throws {
        #expect("\(try Self.placement.negotiate(standard: [header]))" == version)
    }

    @Test(arguments: [
        ("placement 1.40", 406, "Invalid microversion: Unacceptable version header: 1.40"),
        ("placement 2.0", 406, "Invalid microversion: Unacceptable version header: 2.0"),
        ("placement -1.5", 406, "Invalid microversion: Unacceptable version header: -1.5"),
        (
            "placement 1", 400,
            "Invalid microversion: invalid version string: 1; "
                + "Version.__new__() missing 1 required positional argument: 'minor'"
        ),
        (
            "placement 1.2.3", 400,
            "Invalid microversion: invalid version string: 1.2.3; invalid literal for int() with base 10: '2.3'"
        ),
        (
            "placement foo", 400,
            "Invalid microversion: invalid version string: foo; invalid literal for int() with base 10: 'foo'"
        ),
        (
            "placement 1.", 400,
            "Invalid microversion: invalid version string: 1.; invalid literal for int() with base 10: ''"
        ),
    ])
    func placementRefusesInItsOwnWords(header: String, status: Int, message: String) {
        let refusal = #expect(throws: MicroversionRefusal.self) {
            try Self.placement.negotiate(standard: [header])
        }
        #expect(refusal?.status == status)
        #expect(refusal?.message == message)
    }

    @Test func answersNameTheVersionAndWhatTheyVaryOn() {
        let headers = Self.compute.responseHeaders(for: Microversion(2, 5)).map { "\($0.name): \($0.value)" }
        #expect(
            headers == [
                "OpenStack-API-Version: compute 2.5", "X-OpenStack-Nova-API-Version: 2.5",
                "Vary: OpenStack-API-Version", "Vary: X-OpenStack-Nova-API-Version",
            ])
    }
}

import Testing
import WireJSON

@Suite struct JSONObjectTests {
    @Test func lookupIsRightOnBothSidesOfTheIndex() {
        var object = JSONObject()
        for number in 0..<40 {
            object.set("k\(number)", JSONValue(number))
            for other in 0...number { #expect(object["k\(other)"]?.int == other) }
            #expect(object["absent"] == nil)
        }
        #expect(object.keys == (0..<40).map { "k\($0)" })
        for number in stride(from: 0, to: 40, by: 2) {
            #expect(object.remove("k\(number)")?.int == number)
            #expect(object.remove("k\(number)") == nil)
        }
        #expect(object.keys == stride(from: 1, to: 40, by: 2).map { "k\($0)" })
        for number in stride(from: 1, to: 40, by: 2) { #expect(object["k\(number)"]?.int == number) }
        object["k1"] = "replaced"
        object["k3"] = .null
        object["k5"] = nil
        #expect(object.members[0].value == "replaced")
        #expect(object.contains("k3") && !object.contains("k5"))
    }

    @Test func orderDoesNotMatterForEquality() {
        let a: JSONObject = ["x": 1, "y": ["z": 2]]
        let b: JSONObject = ["y": ["z": 2], "x": 1]
        #expect(a == b && a.hashValue == b.hashValue)
        #expect(a != ["x": 1])
        #expect(a != ["x": 1, "y": 2])
    }

    @Test func aCopyIsAValue() {
        let a: JSONValue = ["list": [1, "two", nil, true, 2.5]]
        var b = a
        if case .object(var members) = b {
            members.set("more", 1)
            b = .object(members)
        }
        #expect(a["more"] == nil && b["more"] == 1)
    }
}

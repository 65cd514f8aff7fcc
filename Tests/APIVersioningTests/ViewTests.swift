import APIVersioning
import Testing
import WireJSON

@Suite struct ViewTests {
    struct Guest: Sendable {
        var id = "1"
        var tags = ["a", "b"]
        var isVisible = true
    }

    static let fields: [ViewField<Guest>] = [
        .init("id", .since(Microversion(2, 1))) { $1.string($0.id) },
        .init("flavor", VersionSpan.since(Microversion(2, 1)).until(Microversion(2, 47))) { $1.int($0.id.count) },
        .init("flavor", .since(Microversion(2, 47))) { guest, w in w.object { $0.field("ram", 512) } },
        .init("tags", .since(Microversion(2, 26))) { guest, w in
            w.array { for tag in guest.tags { $0.string(tag) } }
        },
        .init("host", .since(Microversion(2, 1)), when: \.isVisible) { $1.string("h") },
    ]

    @Test(arguments: [
        (0, "{}"),
        (1, #"{"id":"1","flavor":1,"host":"h"}"#),
        (25, #"{"id":"1","flavor":1,"host":"h"}"#),
        (26, #"{"id":"1","flavor":1,"tags":["a","b"],"host":"h"}"#),
        (47, #"{"id":"1","flavor":{"ram":512},"tags":["a","b"],"host":"h"}"#),
        (104, #"{"id":"1","flavor":{"ram":512},"tags":["a","b"],"host":"h"}"#),
    ])
    func aViewShowsTheFieldsOfTheVersion(minor: Int, text: String) {
        var writer = JSONWriter()
        View(Self.fields).write(Guest(), at: Microversion(2, minor), to: &writer)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    }

    @Test func aPlanWritesManySubjectsAndIntoAnOpenObject() {
        let plan = View(Self.fields).plan(at: Microversion(2, 1))
        #expect(plan.names == ["id", "flavor", "host"])
        var writer = JSONWriter()
        writer.array { w in
            for id in ["1", "22"] {
                w.object { w in
                    w.field("first", true)
                    plan.writeMembers(Guest(id: id, isVisible: false), to: &w)
                }
            }
        }
        let text = #"[{"first":true,"id":"1","flavor":1},{"first":true,"id":"22","flavor":2}]"#
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    }

    @Test func twoFieldsOfOneNameInOneVersionAreRefused() {
        let again = ViewField<Guest>("flavor", .since(Microversion(2, 46))) { $1.string($0.id) }
        let conflict = #expect(throws: TableConflict.self) { try View(checking: Self.fields + [again]) }
        #expect(conflict?.description == "two fields named 'flavor': 2.1 until 2.47 and since 2.46 overlap")
    }
}

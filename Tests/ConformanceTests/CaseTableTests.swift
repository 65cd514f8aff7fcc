import ComputeModel
import DriverAPI
import DriverConformance
import Testing

/// The table of cases as a whole.
@Suite struct CaseTableTests {
    private let all = ConformanceCase.all

    @Test func everyCaseHasAStableNameOfItsOwn() {
        #expect(Set(all.map(\.id)).count == all.count)
        for entry in all {
            #expect(entry.id.wholeMatch(of: #/[a-z0-9-]+(\.[a-z0-9-]+)+|console-log/#) != nil, "\(entry.id)")
            #expect(entry.sentence.first?.isUppercase == true && !entry.sentence.hasSuffix("."), "\(entry.sentence)")
        }
        #expect(Set(all.map(\.sentence)).count == all.count, "two cases say the same")
    }

    @Test func thereAreEnoughOfThem() {
        let core = all.count(where: \.isCore)
        #expect(core >= 60)
        #expect(all.count - core >= 110)
        #expect((35...60).contains(all.count(where: \.isQuick)))
    }

    @Test func theCoreNeedsNoCapability() {
        for entry in all where entry.isCore { #expect(entry.needs.isEmpty, "\(entry.id)") }
        for entry in all where !entry.isCore { #expect(!entry.needs.isEmpty, "\(entry.id)") }
    }

    @Test func everyCapabilityAndFactHasACase() {
        let needed = Set(all.flatMap(\.needs))
        for name in CapabilityName.allCases { #expect(needed.contains(.capability(name)), "\(name.rawValue)") }
        for fact in CapabilityFact.allCases { #expect(needed.contains(.fact(fact)), "\(fact.rawValue)") }
        for kind in ConsoleKind.allCases { #expect(needed.contains(.console(kind)), "\(kind.rawValue)") }
        for kind in VolumeConnection.Kind.allCases { #expect(needed.contains(.connection(kind)), "\(kind.rawValue)") }
    }

    @Test func everyRowOfTheMatrixHasACaseOrAReason() {
        #expect(FeatureKey.allCases.count == 56)
        let proven = Set(all.compactMap(\.feature))
        for feature in FeatureKey.allCases {
            #expect(proven.contains(feature) == (feature.noWord == nil), "\(feature.rawValue)")
        }
    }

    @Test func partsAreAllUsed() {
        let used = all.reduce(into: Set<SubjectPart>()) { $0.formUnion($1.parts) }
        // A world is looked at wherever there is one.
        #expect(used.union([.world]) == Set(SubjectPart.allCases))
    }
}

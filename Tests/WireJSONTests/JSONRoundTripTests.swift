import Foundation
import Testing
import WireJSON

/// Deterministic randomness: a failing seed can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct JSONRoundTripTests {
    static func text(_ random: inout SplitMix) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0...24, using: &random) {
            let range: ClosedRange<UInt32> =
                [0...0x7F, 0x20...0x7E, 0x80...0xD7FF, 0xE000...0x10FFFF].randomElement(using: &random) ?? 0...1
            if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    static func value(_ random: inout SplitMix, depth: Int) -> JSONValue {
        switch Int.random(in: 0...(depth > 0 ? 7 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .int(Int64(bitPattern: random.next()) >> Int64.random(in: 0...63, using: &random))
        case 3:
            let double = Double(bitPattern: random.next())
            return double.isFinite ? .double(double) : .double(0.5)
        case 4, 5: return .string(text(&random))
        case 6:
            let count = Int.random(in: 0...6, using: &random)
            return .array((0..<count).map { _ in value(&random, depth: depth - 1) })
        default:
            let count = Int.random(in: 0...14, using: &random)
            return .object(JSONObject((0..<count).map { _ in (text(&random), value(&random, depth: depth - 1)) }))
        }
    }

    @Test(arguments: 1...20)
    func whatIsWrittenReadsBackAsTheSame(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        for _ in 0..<100 {
            let value = Self.value(&random, depth: 5)
            let bytes = value.serialized()
            let back = try JSONParser.parse(bytes)
            #expect(back == value, "seed \(seed)")
            #expect(back.serialized() == bytes, "seed \(seed)")
        }
    }

    @Test(arguments: 1...20)
    func damagedTextIsReadOrRefusedButNeverTraps(seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<200 {
            var bytes = Self.value(&random, depth: 4).serialized()
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[at] = Array("{}[]\",:\\u0-e.".utf8).randomElement(using: &random) ?? 0
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
                default: bytes.removeSubrange(at...)
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            do {
                let value = try JSONParser.parse(bytes)
                #expect(try JSONParser.parse(value.serialized()) == value, "seed \(seed)")
            } catch {
                #expect(error.offset >= 0 && error.offset <= bytes.count && error.line >= 1)
            }
        }
    }

    @Test func codableCarriesEveryKind() throws {
        var random = SplitMix(state: 7)
        for _ in 0..<50 {
            let value: JSONValue = ["a": [nil, true, 1, 2.5, "x", ["k": []]], "n": .string(Self.text(&random))]
            let data = try JSONEncoder().encode(value)
            #expect(try JSONDecoder().decode(JSONValue.self, from: data) == value)
        }
        #expect(try JSONDecoder().decode(JSONValue.self, from: Data("[0, 1, false, null]".utf8)) == [0, 1, false, nil])
    }
}

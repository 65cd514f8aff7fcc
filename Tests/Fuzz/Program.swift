import Foundation

/// The program of `make fuzz`: LLVM's libFuzzer, led by the code that inputs reach, on one target.
///
///     Fuzz list
///     Fuzz seeds TARGET FOLDER     writes the target's seeds and its words, as libFuzzer wants them
///     Fuzz run TARGET [OPTION]…    libFuzzer with its own options; a file's name instead of one repeats that input
///
/// `-sanitize=fuzzer` brings libFuzzer's `main`, which calls the two C functions below.
private enum Program {
    /// Does what the command line says, or leaves libFuzzer its options and the target.
    ///
    /// - Returns: how many words at the beginning are not libFuzzer's.
    static func begin() -> Int {
        let words = CommandLine.arguments
        switch words.dropFirst().first {
        case "list":
            for target in FuzzTarget.all { tell(target.name) }
            exit(0)
        case "seeds" where words.count == 4:
            writeSeeds(named(words[2]), words[3])
            exit(0)
        case "run" where words.count >= 3:
            current = named(words[2])
            return 2
        default: fail("usage: Fuzz list | seeds TARGET FOLDER | run TARGET [OPTION]…")
        }
    }

    private static func named(_ name: String) -> FuzzTarget {
        guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
            fail("there is no target '\(name)'; there are \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
        }
        return target
    }

    private static func tell(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private static func fail(_ line: String) -> Never {
        FileHandle.standardError.write(Data((line + "\n").utf8))
        exit(2)
    }

    private static func writeSeeds(_ target: FuzzTarget, _ folder: String) {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (number, seed) in target.seeds.enumerated() {
                try Data(seed).write(to: URL(filePath: "\(folder)/seed-\(number)"))
            }
            let lines = target.words.map { word in
                "\"" + word.utf8.map { "\\x" + String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() + "\""
            }
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: folder + ".words"))
        } catch {
            fail("the seeds cannot be written to \(folder): \(error)")
        }
    }
}

/// Set once, before libFuzzer begins; its callback carries no context.
nonisolated(unsafe) private var current: FuzzTarget?

/// libFuzzer's first call.
@_cdecl("LLVMFuzzerInitialize")
public func beginFuzzing(
    _ count: UnsafeMutablePointer<CInt>,
    _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
    let taken = Program.begin()
    let list = words.pointee
    for index in 1..<max(1, Int(count.pointee) - taken) { list[index] = list[index + taken] }
    count.pointee -= CInt(taken)
    list[Int(count.pointee)] = nil
    return 0
}

/// libFuzzer's call for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func attack(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    do {
        try current?.check(input)
    } catch {
        // libFuzzer keeps the input of a program that ends like this.
        fatalError("\(error)")
    }
    return 0
}

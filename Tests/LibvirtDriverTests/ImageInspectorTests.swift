import DriverSupport
import Foundation
import Testing

@testable import LibvirtDriver

@Suite struct ImageInspectorTests {
    private let directory = TemporaryDirectory()

    private func file(_ image: ImageBuilder) throws -> String {
        let path = "\(directory.path)/\(UUID().uuidString)"
        try Data(image.bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test(arguments: HostileImage.all) func aHostileImageIsRefused(_ hostile: HostileImage) throws {
        let path = try file(hostile.image)
        do {
            let found = try ImageInspector.inspect(path, declared: hostile.declared)
            Issue.record("accepted as \(found)")
        } catch {
            #expect(hostile.matches(error), "refused as \(error)")
            #expect(!error.message.isEmpty)
        }
    }

    @Test func theCorpusIsLargeAndItsNamesDiffer() {
        #expect(HostileImage.all.count >= 100)
        #expect(Set(HostileImage.all.map(\.name)).count == HostileImage.all.count)
    }

    @Test func whatIsHarmlessIsAccepted() throws {
        let mib: UInt64 = 1 << 20
        let table: [(String, ImageBuilder, UInt64)] = [
            ("qcow2", .qcow2, 10 * mib), ("qcow2", .qcow2.big32(4, 2), 10 * mib),
            ("qcow2", .qcow2.big64(72, 8).big32(100, 112).with(104, [1]), 10 * mib),
            ("vmdk", .vmdk(), 10 * mib), ("vmdk", .vmdkStream, 10 * mib), ("vhd", .vhd(), 10 * mib),
            ("vhd", .fixedVHD, mib), ("vhdx", .vhdx, 10 * mib), ("vdi", .vdi, 10 * mib), ("raw", .raw, mib),
            ("iso", .iso, 64 << 10),
        ]
        for (format, image, size) in table {
            let found = try ImageInspector.inspect(try file(image), declared: format)
            #expect(found.format.rawValue == format)
            #expect(found.virtualSize == size)
        }
    }

    @Test func partitionTablesOfRawDisksAreNamed() throws {
        #expect(try ImageInspector.inspect(try file(.raw)).partitions == "mbr")
        #expect(try ImageInspector.inspect(try file(.raw.with(512, "EFI PART"))).partitions == "gpt")
        #expect(try ImageInspector.inspect(try file(ImageBuilder(size: 512))).partitions == nil)
    }

    @Test func aLinkIsNotFollowed() throws {
        let link = "\(directory.path)/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: try file(.raw))
        #expect(throws: ImageRefusal.self) { try ImageInspector.inspect(link) }
    }

    @Test(.enabled(if: Subprocess.find("qemu-img") != nil, "qemu-img is missing"))
    func whatQemuImgMakesIsAcceptedWithTheSameSize() async throws {
        let threads = BlockingThreads(count: 1)
        let table: [(String, [String])] = [
            ("qcow2", ["-f", "qcow2"]), ("qcow2", ["-f", "qcow2", "-o", "compat=0.10"]),
            ("qcow2", ["-f", "qcow2", "-o", "cluster_size=512"]), ("qcow2", ["-f", "qcow2", "-o", "cluster_size=2M"]),
            ("qcow2", ["-f", "qcow2", "-o", "extended_l2=on,compression_type=zstd,lazy_refcounts=on"]),
            ("vmdk", ["-f", "vmdk"]), ("vmdk", ["-f", "vmdk", "-o", "subformat=streamOptimized"]),
            ("vhd", ["-f", "vpc", "-o", "force_size=on"]),
            ("vhd", ["-f", "vpc", "-o", "subformat=fixed,force_size=on"]),
            ("vhdx", ["-f", "vhdx"]), ("vhdx", ["-f", "vhdx", "-o", "subformat=fixed"]), ("vdi", ["-f", "vdi"]),
            ("vdi", ["-f", "vdi", "-o", "static=on"]), ("raw", ["-f", "raw"]),
        ]
        for (number, entry) in table.enumerated() {
            let path = "\(directory.path)/made-\(number)"
            // A disk with content, so that tables are filled.
            let source = try file(.raw.with(300_000, Array(repeating: 7, count: 100_000)))
            let target = entry.1[1]
            let options = entry.1.dropFirst(2)
            let arguments = ["convert", "-f", "raw", "-O", target] + options + [source, path]
            _ = try await Subprocess("qemu-img", arguments, timeout: .seconds(60)).run(on: threads)
            let found = try ImageInspector.inspect(path, declared: entry.0)
            #expect(found.virtualSize == 1 << 20, "\(entry.1)")
        }
    }

    @Test(.enabled(if: Subprocess.find("qemu-img") != nil, "qemu-img is missing"))
    func whatQemuImgMakesWithReferencesIsRefused() async throws {
        let threads = BlockingThreads(count: 1)
        let base = try file(.raw)
        let table: [[String]] = [
            ["create", "-f", "qcow2", "-b", base, "-F", "raw"],
            ["create", "-f", "qcow2", "-o", "data_file=\(directory.path)/data,data_file_raw=on"],
            ["create", "-f", "vmdk", "-o", "subformat=monolithicFlat"],
            ["create", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"],
        ]
        for (number, arguments) in table.enumerated() {
            let path = "\(directory.path)/reference-\(number).img"
            let size = arguments.contains("-b") ? [] : ["1M"]
            _ = try await Subprocess("qemu-img", arguments + [path] + size, timeout: .seconds(60)).run(on: threads)
            let format = arguments[2]
            #expect { try ImageInspector.inspect(path, declared: format) } throws: { error in
                if case ImageRefusal.refersElsewhere = error { true } else { false }
            }
        }
    }

    /// Hundreds of damaged headers: each is accepted or refused, none ends the process or takes long.
    @Test func damagedHeadersNeverCrash() throws {
        struct Generator: RandomNumberGenerator {
            var state: UInt64
            mutating func next() -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return state ^ (state >> 29)
            }
        }
        var generator = Generator(state: 42)
        let seeds: [ImageBuilder] = [.qcow2, .vmdk(), .vmdkStream, .vhd(), .vdi, .vhdx]
        let path = "\(directory.path)/damaged"
        var refused = 0
        for seed in seeds {
            let hot = seed.bytes.indices.filter { seed.bytes[$0] != 0 }
            for _ in 0..<(seed.bytes.count > 1 << 20 ? 25 : 150) {
                var image = seed
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    let near = hot.randomElement(using: &generator) ?? 0
                    let place = min(max(0, near + Int.random(in: -4...8, using: &generator)), image.bytes.count - 1)
                    image.bytes[place] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
                }
                try Data(image.bytes).write(to: URL(fileURLWithPath: path))
                do { _ = try ImageInspector.inspect(path) } catch { refused += 1 }
            }
        }
        #expect(refused > 80)
    }
}

import ComputeModel
import DriverAPI
import Foundation
import Testing

@testable import VMwareDriver

/// Images are hostile until inspected.
@Suite struct ImageTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "/images-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func inspect(_ bytes: [UInt8], _ format: String = "vmdk") throws -> ImageContent {
        let path = "\(folder)/\(UUID().uuidString)"
        try Data(bytes).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let image = ImageSpec(
            id: .random(), name: "i", diskFormat: format, containerFormat: "bare", sizeBytes: Int64(bytes.count))
        return try ImageInspection.inspect(path, declared: image)
    }

    /// A hosted sparse disk with the given descriptor.
    private func hosted(_ descriptor: String, flags: UInt32 = 1, capacity: UInt64 = 8) -> [UInt8] {
        func little(_ number: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
        var bytes = Array("KDMV".utf8) + little(UInt32(1)) + little(flags) + little(capacity) + little(UInt64(128))
        bytes += little(UInt64(1)) + little(UInt64(20))
        bytes += [UInt8](repeating: 0, count: 512 - bytes.count)
        let text = Array(descriptor.utf8)
        return bytes + text + [UInt8](repeating: 0, count: 21 * 512 - text.count)
    }

    private func descriptor(
        type: String = "monolithicSparse", parent: String = "ffffffff", extent: String = "RW 8 SPARSE \"x.vmdk\"",
        more: String = ""
    ) -> String {
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=\(parent)\ncreateType=\"\(type)\"\n\(extent)\n\(more)\n"
    }

    @Test func goodImagesAreKnown() throws {
        #expect(try inspect(hosted(descriptor())) == .sparse(bytes: 4096))
        #expect(
            try inspect(hosted(descriptor(type: "streamOptimized"), flags: 0x30001)) == .streamOptimized(bytes: 4096))
        #expect(try inspect([UInt8](repeating: 0, count: 1024), "raw") == .flat(bytes: 1024))
        let iso = ISOImage.bytes([:], label: "x", date: .now())
        #expect(try inspect(iso, "iso") == .iso(bytes: UInt64(iso.count)))
    }

    @Test func oneFileByTwoPathsIsWrittenOnce() {
        let (long, date) = ([UInt8](repeating: 1, count: 9000), Timestamp(microseconds: 0))
        let image = ISOImage.bytes(["a/b": long, "a//b": [2], "/a/b/": [3]], label: "x", date: date)
        #expect(image == ISOImage.bytes(["a/b": long], label: "x", date: date))
    }

    @Test func hostileImagesAreRefused() throws {
        let bad: [(String, [UInt8], String)] = [
            ("empty", [], "vmdk"), ("odd length", [1, 2, 3], "raw"),
            ("no ISO", [UInt8](repeating: 0, count: 40000), "iso"),
            ("short header", Array("KDMV".utf8), "vmdk"), ("qcow2", [0x51, 0x46, 0x49, 0xFB] + hosted(""), "vmdk"),
            ("vhdx", Array("vhdxfile".utf8) + hosted(""), "raw"),
            ("bare descriptor", Array(descriptor().utf8), "vmdk"),
            ("sparse as raw", hosted(descriptor()), "raw"), ("format", hosted(descriptor()), "qcow2"),
            ("parent", hosted(descriptor(parent: "12345678")), "vmdk"),
            ("hint", hosted(descriptor(more: "parentFileNameHint=\"/etc/passwd\"")), "vmdk"),
            ("flat extent", hosted(descriptor(extent: "RW 8 FLAT \"/etc/passwd\" 0")), "vmdk"),
            ("two extents", hosted(descriptor(more: "RW 8 SPARSE \"y\"")), "vmdk"),
            ("no extent", hosted(descriptor(extent: "")), "vmdk"),
            ("path", hosted(descriptor(extent: "RW 8 SPARSE \"../x.vmdk\"")), "vmdk"),
            ("type", hosted(descriptor(type: "vmfs")), "vmdk"),
            ("type and header", hosted(descriptor(type: "streamOptimized")), "vmdk"),
            ("absurd", hosted(descriptor(), capacity: .max), "vmdk"),
            ("huge", hosted(descriptor(), capacity: 1 << 40), "vmdk"),
            ("nothing", hosted(descriptor(), capacity: 0), "vmdk"),
        ]
        for (name, bytes, format) in bad {
            do {
                let content = try inspect(bytes, format)
                Issue.record("\(name) was taken as \(content)")
            } catch let error as VimFailure {
                guard case .imageUnacceptable = error.driverError else {
                    Issue.record("\(name): \(error)")
                    continue
                }
            }
        }
    }

    @Test(arguments: [1, 511, 512, 513, 2048]) func whatWePackOthersUnpack(kibibytes: Int) throws {
        var bytes = [UInt8](repeating: 0, count: kibibytes * 1024)
        bytes[0] = 1
        bytes[bytes.count - 1] = 2
        bytes[bytes.count / 2] = 3
        let (flat, packed, back) = (folder + "/flat", folder + "/packed.vmdk", folder + "/back")
        try Data(bytes).write(to: URL(filePath: flat))
        try SparseVMDK.write(flat, to: packed, adapter: "lsiLogic", isCancelled: { false })
        let (status, text) = VCenterWorld.run(
            "/usr/bin/qemu-img", ["convert", "-f", "vmdk", "-O", "raw", packed, back])
        #expect(status == 0, "\(text)")
        #expect(try Data(contentsOf: URL(filePath: back)) == Data(bytes))
        let image = ImageSpec(id: .random(), name: "", diskFormat: "vmdk", containerFormat: "bare", sizeBytes: 0)
        #expect(try ImageInspection.inspect(packed, declared: image) == .sparse(bytes: UInt64(bytes.count)))
        #expect(throws: VimFailure.driver(.cancelled)) {
            try SparseVMDK.write(flat, to: packed, adapter: "lsiLogic", isCancelled: { true })
        }
        try FileManager.default.removeItem(atPath: folder)
    }
}

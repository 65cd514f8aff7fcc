import DriverAPI
import Foundation
import Glibc
import Testing

@testable import XenAPIDriver

/// Disks that the driver writes and images that it looks at.
@Suite struct DiskTests {
    private static func temporary() -> String { NSTemporaryDirectory() + "/xenapi-disk-" + UUID().uuidString }

    @Test func aConfigurationDriveIsReadByAnotherProgram() throws {
        let files: [String: [UInt8]] = [
            "openstack/latest/meta_data.json": Array("{\"uuid\": \"x\"}".utf8),
            "openstack/latest/user_data": [UInt8](repeating: 7, count: 5000),
            "openstack/2012-08-10/meta_data.json": Array("{}".utf8), "openstack/content/0000": [],
            "ec2/latest/meta-data.json": Array("ec2".utf8), "ec2/latest/meta_data.json": Array("other".utf8),
        ]
        let image = try ISO9660(label: "config-2", files: files)
        #expect(image.bytes.count % 2048 == 0)
        let path = Self.temporary()
        try Data(image.bytes).write(to: URL(filePath: path))
        defer { unlink(path) }
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/isoinfo") else { return }
        let found = try Self.run("/usr/bin/isoinfo", ["-J", "-f", "-i", path])
        for name in files.keys { #expect(found.contains("/\(name)\n"), "\(name) is not in\n\(found)") }
        for (name, content) in files {
            let bytes = try Self.runBytes("/usr/bin/isoinfo", ["-J", "-i", path, "-x", "/\(name)"])
            #expect(bytes == content, "\(name)")
        }
        #expect(try Self.run("/usr/bin/isoinfo", ["-d", "-i", path]).contains("Volume id: config-2"))
        let plain = try Self.run("/usr/bin/isoinfo", ["-f", "-i", path]).split(separator: "\n")
        #expect(Set(plain).count == plain.count)
    }

    @Test func foldersOfManyFilesAreWhole() throws {
        let names = (0..<300).map { "folder/a-rather-long-name-of-a-file-\($0).txt" }
        let image = try ISO9660(label: "x", files: Dictionary(uniqueKeysWithValues: names.map { ($0, Array($0.utf8)) }))
        let path = Self.temporary()
        try Data(image.bytes).write(to: URL(filePath: path))
        defer { unlink(path) }
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/isoinfo") else { return }
        let found = try Self.run("/usr/bin/isoinfo", ["-J", "-f", "-i", path])
        for name in names { #expect(found.contains("/\(name)\n")) }
    }

    @Test(arguments: ["", "/", "a/../b", String(repeating: "a", count: 65), "1/2/3/4/5/6/7/8/9"])
    func pathsThatCannotBeWrittenAreRefused(path: String) {
        #expect(throws: ISO9660.Trouble.self) { try ISO9660(label: "x", files: [path: []]) }
    }

    @Test func aFileIsNotAFolder() {
        #expect(throws: ISO9660.Trouble.self) { try ISO9660(label: "x", files: ["a": [], "a/b": []]) }
    }

    @Test func swapSpaceIsKnownByItsFirstPage() {
        let header = SwapSpace.header(bytes: 64 << 20)
        #expect(header.count == 4096)
        #expect(Array(header[4086...]) == Array("SWAPSPACE2".utf8))
        #expect(header[1024] == 1)
        #expect(header[1028] == 0xff && header[1029] == 0x3f)
    }

    private func inspect(_ bytes: [UInt8], _ format: String) throws -> DiskImage {
        let path = Self.temporary()
        try Data(bytes).write(to: URL(filePath: path))
        defer { unlink(path) }
        return try DiskImage.inspect(path, declared: format)
    }

    @Test func rawImagesAreWhatTheyAre() throws {
        #expect(try inspect([UInt8](repeating: 1, count: 5000), "raw") == DiskImage(format: .raw, virtualBytes: 5000))
    }

    @Test(arguments: ["QFI\u{fb}", "conectix", "KDMV", "vhdxfile"])
    func rawImagesThatLookLikeOthersAreRefused(mark: String) {
        let bytes = mark.unicodeScalars.map { UInt8($0.value) } + [UInt8](repeating: 0, count: 4096)
        #expect(throws: DriverError.self) { try inspect(bytes, "raw") }
    }

    @Test func otherFormatsAreRefused() {
        #expect(throws: DriverError.self) { try inspect([1], "qcow2") }
        #expect(throws: DriverError.self) { try inspect([], "raw") }
    }

    /// A fixed VHD of one megabyte with a change at some place of its footer.
    private func vhd(_ change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
        var footer = [UInt8](repeating: 0, count: 512)
        footer.replaceSubrange(0..<8, with: Array("conectix".utf8))
        footer[53] = 0x10
        footer[63] = 2
        change(&footer)
        var sum: UInt32 = 0
        for (index, byte) in footer.enumerated() where !(64..<68).contains(index) { sum &+= UInt32(byte) }
        for index in 0..<4 { footer[64 + index] = UInt8(truncatingIfNeeded: ~sum >> (24 - 8 * UInt32(index))) }
        return [UInt8](repeating: 0, count: 1 << 20) + footer
    }

    @Test func aVHDIsRead() throws {
        #expect(try inspect(vhd(), "vhd") == DiskImage(format: .vhd, virtualBytes: 1 << 20))
    }

    @Test func hostileVHDsAreRefused() {
        #expect(throws: DriverError.self) { try inspect(vhd { $0[63] = 4 }, "vhd") }
        #expect(throws: DriverError.self) { try inspect(vhd { $0[63] = 3 }, "vhd") }
        #expect(throws: DriverError.self) { try inspect(vhd { $0[48] = 0x7f }, "vhd") }
        #expect(throws: DriverError.self) { try inspect(vhd { $0[53] = 0x20 }, "vhd") }
        #expect(throws: DriverError.self) { try inspect(Array(vhd().dropLast()), "vhd") }
        var broken = vhd()
        broken[broken.count - 448] ^= 1
        #expect(throws: DriverError.self) { try inspect(broken, "vhd") }
    }

    private static func run(_ program: String, _ arguments: [String]) throws -> String {
        String(decoding: try runBytes(program, arguments), as: UTF8.self)
    }

    private static func runBytes(_ program: String, _ arguments: [String]) throws -> [UInt8] {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Array(data)
    }
}

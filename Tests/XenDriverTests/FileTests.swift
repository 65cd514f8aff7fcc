import ComputeModel
import DriverAPI
import DriverConformance
import DriverSupport
import Foundation
import Testing

@testable import XenDriver

/// Records, images and disks on disk.
@Suite struct FileTests {
    @Test func aRecordIsKeptAndFoundAgain() throws {
        let scratch = try Scratch()
        let id = GuestID.random()
        let directory = GuestDirectory(id, in: scratch.path)
        #expect(directory.record() == nil)
        try makeDirectories(directory.path, mode: 0o700)
        var record = GuestDirectory.Record(operation: 7, spawnedBy: 7)
        record.guest = XenGuest(id: id, kind: .pv, vcpus: 1, memoryMiB: 64)
        record.guest?.disks = [XenGuest.Disk(path: directory.rootDisk, device: "xvda")]
        try directory.write(record)
        try directory.update { $0.isSuspended = true }
        record.isSuspended = true
        #expect(directory.record() == record)
    }

    @Test func numbersOfRemovedGuestsAreRememberedForADay() throws {
        let scratch = try Scratch()
        let removed = RemovedGuests(instancesPath: scratch.path)
        let id = GuestID.random()
        try removed.note(id, operation: 12)
        removed.prune(now: time(nil))
        #expect(removed.operation(id) == 12)
        removed.prune(now: time(nil) + 2 * RemovedGuests.keptSeconds)
        #expect(removed.operation(id) == nil)
    }

    @Test func aCopyHasTheContentAndTheHoles() throws {
        let scratch = try Scratch()
        let source = "\(scratch.path)/source"
        try makeSparseFile(source, size: 64 << 20)
        let handle = try FileHandle(forWritingTo: URL(filePath: source))
        try handle.seek(toOffset: 32 << 20)
        try handle.write(contentsOf: Data("middle".utf8))
        try handle.close()
        let target = "\(scratch.path)/target"
        try copySparsely(source, to: target) { false }
        #expect(try Data(contentsOf: URL(filePath: target)) == Data(contentsOf: URL(filePath: source)))
        var information = stat()
        stat(target, &information)
        #expect(information.st_blocks < 4096, "the holes were filled")
        #expect(throws: FileFailure.self) { try copySparsely(source, to: target) { false } }
    }

    @Test func anImageMustBeWhatItIsDeclaredAs() throws {
        let scratch = try Scratch()
        let raw = try scratch.file("raw", [UInt8](repeating: 1, count: 4096))
        #expect(try ImageLook.look(raw, declared: "raw") == 4096)
        #expect(throws: ImageLook.Refusal.self) { try ImageLook.look(raw, declared: "qcow2") }
        let good = try scratch.file("qcow2", qcow2())
        #expect(try ImageLook.look(good, declared: "qcow2") == 1 << 20)
        #expect(throws: ImageLook.Refusal.self) { try ImageLook.look(good, declared: "raw") }
        #expect(throws: ImageLook.Refusal.self) { try ImageLook.look("\(scratch.path)/absent", declared: "raw") }
    }

    @Test(arguments: [(8, UInt8(1)), (35, 1), (79, 4), (79, 16), (7, 9)])
    func aQCOW2ThatRefersElsewhereIsEncryptedOrUnknownIsRefused(offset: Int, value: UInt8) throws {
        let scratch = try Scratch()
        var bytes = qcow2()
        bytes[offset] = value
        let path = try scratch.file("bad", bytes)
        #expect(throws: ImageLook.Refusal.self) { try ImageLook.look(path, declared: "qcow2") }
    }

    private func qcow2() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        bytes.replaceSubrange(0..<8, with: [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3])
        bytes[29] = 0x10
        return bytes
    }

    @Test func theNameInTheCacheTellsContentAndTrustApart() throws {
        var image = try #require(makeSpec().image)
        image.checksum = "abc"
        let plain = try ImageCache.stem(image)
        image.trustedCertificates = ["c"]
        #expect(try ImageCache.stem(image) != plain)
        image.checksum = "../up"
        #expect(throws: DriverError.self) { try ImageCache.stem(image) }
    }

    @Test func anImageIsFetchedOnceAndNothingRemainsOfARefusedOne() async throws {
        let scratch = try Scratch()
        let host = ScratchHost(stateDirectory: scratch.path + "/state")
        let base = scratch.path + "/base"
        try makeDirectories(base, mode: 0o700)
        let cache = ImageCache(
            directory: base, virtualSizeMax: 1 << 30, conversionTimeout: .seconds(60),
            threads: BlockingThreads(count: 2), host: host)
        let image = host.offer(image: try scratch.file("disk", [UInt8](repeating: 7, count: 8192)))
        async let first = cache.base(for: image, sizeMax: nil)
        async let second = cache.base(for: image, sizeMax: nil)
        let paths = try await [first, second]
        #expect(paths[0] == paths[1])
        #expect(host.fetches == 1)
        let refused = host.offer(image: try scratch.file("liar", qcow2()))
        await #expect(throws: DriverError.self) { try await cache.base(for: refused, sizeMax: nil) }
        await #expect(throws: DriverError.self) { try await cache.base(for: image, sizeMax: 4096) }
        #expect(namesInDirectory(base).count == 1)
    }

    @Test(arguments: ["kernel", "instances_path", "console_log_directory"])
    func aRelativePathIsRefusedWithItsOption(name: String) {
        let error = #expect(throws: DriverError.self) { try makeOptions([name: "some/where"]) }
        #expect(error?.message.contains("[xen] \(name)") == true)
    }

    @Test func aRAMDiskWithoutAKernelIsRefused() {
        let error = #expect(throws: DriverError.self) { try makeOptions(["ramdisk": "/r"]) }
        #expect(error?.remedy == .giveUp)
    }
}

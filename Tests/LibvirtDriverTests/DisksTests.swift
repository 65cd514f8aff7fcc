import ComputeModel
import DriverAPI
import DriverConformance
import DriverSupport
import Foundation
import Testing

@testable import LibvirtDriver

@Suite(.enabled(if: Subprocess.find("qemu-img") != nil, "qemu-img is missing"))
struct DisksTests {
    private let directory = TemporaryDirectory()
    private let threads = BlockingThreads(count: 3)

    private func make(
        _ host: ScratchHost, convertsToRaw: Bool = true, imagesType: LibvirtOptions.ImagesType = .qcow2,
        virtualSizeMax: UInt64 = 8 << 30
    ) throws -> GuestDisks {
        let base = "\(directory.path)/instances/_base"
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        let qemuImg = QemuImg(
            threads: threads, addressSpaceMax: 2 << 30, cpuSecondsMax: 30, conversionTimeout: .seconds(120))
        let cache = ImageCache(
            directory: base, convertsToRaw: convertsToRaw, virtualSizeMax: virtualSizeMax, qemuImg: qemuImg,
            threads: threads, host: host)
        return GuestDisks(
            cache: cache, qemuImg: qemuImg, threads: threads, imagesType: imagesType, mkisofsCommand: "genisoimage")
    }

    private func file(_ image: ImageBuilder) throws -> String {
        let path = "\(directory.path)/source-\(UUID().uuidString)"
        try Data(image.bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private var instanceFiles: [String] { directory.files.filter { $0.hasPrefix("instances/") } }

    private func guestDirectory() throws -> GuestDirectory {
        let guest = GuestDirectory(.random(), in: "\(directory.path)/instances")
        try guest.create()
        return guest
    }

    private func information(_ path: String, _ format: String) async throws -> String {
        try await Subprocess("qemu-img", ["info", "-f", format, path], timeout: .seconds(30)).run(on: threads)
    }

    @Test(arguments: HostileImage.all) func aHostileImageLeavesNoFile(_ hostile: HostileImage) async throws {
        let host = ScratchHost(stateDirectory: directory.path)
        let disks = try make(host)
        let image = host.offer(image: try file(hostile.image), format: hostile.declared)
        let error = await driverError { _ = try await disks.cache.base(for: image, sizeMax: nil) }
        guard case .imageUnacceptable(let text) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.contains(image.id.description))
        #expect(instanceFiles.isEmpty)
    }

    @Test func anImageIsFetchedOnceForManyGuests() async throws {
        let host = ScratchHost(stateDirectory: directory.path)
        host.delayFetches(by: .milliseconds(300))
        let disks = try make(host)
        let image = host.offer(image: try file(.raw))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { _ = try await disks.cache.base(for: image, sizeMax: 1 << 30) } }
            try await group.waitForAll()
        }
        _ = try await disks.cache.base(for: image, sizeMax: nil)
        #expect(host.fetches == 1)
        #expect(instanceFiles == ["instances/_base/\(image.id)-0123456789abcdef0123456789abcdef.raw"])
    }

    @Test func tooLargeAnImageIsRefusedBeforeConversion() async throws {
        let host = ScratchHost(stateDirectory: directory.path)
        let disks = try make(host, virtualSizeMax: 1 << 30)
        // 2 TiB described in 256 KiB: an L1 table for it fits.
        let bomb = host.offer(image: try file(.qcow2.big64(24, 2 << 40).big32(36, 4096)), format: "qcow2")
        let error = await driverError { _ = try await disks.cache.base(for: bomb, sizeMax: nil) }
        guard case .imageUnacceptable(let text) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.contains("larger than"))
        let small = host.offer(image: try file(.raw))
        #expect(await driverError { _ = try await disks.cache.base(for: small, sizeMax: 1000) } != nil)
        #expect(instanceFiles.isEmpty)
        // The other guest's small limit does not stand in the way.
        #expect(try await disks.cache.base(for: small, sizeMax: 1 << 20).virtualSize == 1 << 20)
        #expect(await driverError { _ = try await disks.cache.base(for: small, sizeMax: 1000) } != nil)
    }

    @Test func formatsAndContainersNotServedAreRefusedUnfetched() async throws {
        let host = ScratchHost(stateDirectory: directory.path)
        let disks = try make(host)
        for image in [
            host.offer(image: "/none", format: "iso"), host.offer(image: "/none", format: "ami"),
            host.offer(image: "/none", container: "ova"),
        ] {
            let error = await driverError { _ = try await disks.cache.base(for: image, sizeMax: nil) }
            #expect(error?.remedy == .giveUp)
        }
        #expect(host.fetches == 0)
    }

    @Test func aCancelledFetchLeavesNothing() async throws {
        let host = ScratchHost(stateDirectory: directory.path)
        host.delayFetches(by: .seconds(60))
        let disks = try make(host)
        let image = host.offer(image: try file(.raw))
        let task = Task { await driverError { _ = try await disks.cache.base(for: image, sizeMax: nil) } }
        #expect(await eventually { host.fetches == 1 })
        task.cancel()
        #expect(await task.value == .cancelled)
        #expect(instanceFiles.isEmpty)
    }

    @Test func everyFormatBecomesARootDiskOfTheFlavorsSize() async throws {
        for (format, target) in [
            ("raw", "raw"), ("qcow2", "qcow2"), ("vmdk", "vmdk"), ("vhd", "vpc"), ("vhdx", "vhdx"), ("vdi", "vdi"),
        ] {
            let host = ScratchHost(stateDirectory: directory.path)
            let disks = try make(host)
            let path = "\(directory.path)/image-\(format)"
            let options = format == "vhd" ? ["-o", "force_size=on"] : []
            let source = try file(.raw.with(1000, "content"))
            let arguments = ["convert", "-f", "raw", "-O", target] + options + [source, path]
            _ = try await Subprocess("qemu-img", arguments, timeout: .seconds(60)).run(on: threads)
            let guest = try guestDirectory()
            let image = host.offer(image: path, format: format)
            #expect(try await disks.makeRoot(guestSpec(image, rootGiB: 2), image, in: guest) == .qcow2)
            let text = try await information(guest.rootDisk, "qcow2")
            #expect(text.contains("virtual size: 2 GiB"))
            #expect(text.contains("backing file format: raw"))
            let base = try await disks.cache.base(for: image, sizeMax: nil)
            #expect(try readTail(base.path, bytesMax: 2000, whole: true).suffix(1000).starts(with: "content".utf8))
        }
    }

    @Test func imagesCanBeKeptAsTheyAreAndRootDisksCanBeCopies() async throws {
        let host = ScratchHost(stateDirectory: directory.path)
        let path = "\(directory.path)/image"
        _ = try await Subprocess(
            "qemu-img", ["convert", "-f", "raw", "-O", "qcow2", try file(.raw), path], timeout: .seconds(60)
        ).run(on: threads)
        let image = host.offer(image: path, format: "qcow2")
        let kept = try make(host, convertsToRaw: false)
        #expect(try await kept.cache.base(for: image, sizeMax: nil).format == .qcow2)
        let copying = try make(host, convertsToRaw: false, imagesType: .raw)
        let guest = try guestDirectory()
        #expect(try await copying.makeRoot(guestSpec(image, rootGiB: 0), image, in: guest) == .raw)
        #expect(fileSize(guest.rootDisk) == 1 << 20)
        let other = try guestDirectory()
        _ = try await copying.makeRoot(guestSpec(image, rootGiB: 1), image, in: other)
        #expect(fileSize(other.rootDisk) == 1 << 30)
    }

    @Test func furtherDisksAreMade() async throws {
        let disks = try make(ScratchHost(stateDirectory: directory.path))
        let guest = try guestDirectory()
        try await disks.makeEphemeral(gib: 1, in: guest)
        try await disks.makeSwap(mib: 64, in: guest)
        #expect(fileSize(guest.ephemeralDisk) == 1 << 30)
        #expect(fileSize(guest.swapDisk) == 64 << 20)
        // The label stands in the superblock, the mark of swap space at the end of the first page.
        #expect(try readTail(guest.ephemeralDisk, bytesMax: 4096, whole: true)[1144...].starts(with: "ephemeral0".utf8))
        #expect(try readTail(guest.swapDisk, bytesMax: 4096, whole: true).suffix(10).elementsEqual("SWAPSPACE2".utf8))
    }

    @Test(.enabled(if: Subprocess.find("genisoimage") != nil, "genisoimage is missing"))
    func theConfigurationDriveIsAnISOWithItsFiles() async throws {
        let disks = try make(ScratchHost(stateDirectory: directory.path))
        let guest = try guestDirectory()
        let files = ["openstack/latest/meta_data.json": Array("{}".utf8), "ec2/2009-04-04/user-data": [1, 2, 3]]
        try await disks.makeConfigDrive(files, in: guest)
        let found = try ImageInspector.inspect(guest.configDrive, declared: "iso")
        #expect(found.format == .iso)
        #expect(try readTail(guest.configDrive, bytesMax: 0x8100, whole: true)[0x8028...].starts(with: "config-2".utf8))
        #expect(!exists(guest.configDriveFiles))
        for path in ["../escape", "/etc/passwd", "a//b", "a/../../b", "", "a\0b"] {
            #expect(await driverError { try await disks.makeConfigDrive([path: [1]], in: guest) }?.remedy == .giveUp)
        }
    }

    @Test func theConsoleLogIsRotatedAndReadAcrossFiles() throws {
        let guest = try guestDirectory()
        #expect(try guest.consoleTail(bytesMax: 100).isEmpty)
        for round in 0..<5 {
            try writeDurably(Array("round \(round) ".utf8) + [UInt8](repeating: 46, count: 90), to: guest.consoleLog)
            try guest.rotateConsoleLog(bytesMax: 90, filesMax: 3)
        }
        #expect(fileSize(guest.consoleLog) == 0)
        #expect(exists("\(guest.consoleLog).2"))
        #expect(!exists("\(guest.consoleLog).3"))
        try writeDurably(Array("newest".utf8), to: guest.consoleLog)
        let tail = String(decoding: try guest.consoleTail(bytesMax: 100), as: UTF8.self)
        #expect(tail.utf8.count <= 100)
        #expect(tail.hasSuffix(".newest"))
        #expect(try guest.consoleTail(bytesMax: 3) == Array("est".utf8))
    }

    @Test func recordsAndRemovalsAreKept() throws {
        let instances = "\(directory.path)/instances"
        let guest = try guestDirectory()
        #expect(guest.record() == nil)
        let record = GuestDirectory.Record(operation: 4, spawnedBy: 3, complete: true)
        try guest.write(record)
        #expect(guest.record() == record)
        let removed = RemovedGuests(instancesPath: instances)
        let id = GuestID.random()
        try removed.note(id, operation: 9)
        #expect(removed.operation(id) == 9)
        removed.prune(now: Int(time(nil)) + RemovedGuests.keptSeconds - 100)
        #expect(removed.operation(id) == 9)
        removed.prune(now: Int(time(nil)) + RemovedGuests.keptSeconds + 100)
        #expect(removed.operation(id) == nil)
    }

    @Test func partsOfAnEarlierRunAreRemoved() async throws {
        let disks = try make(ScratchHost(stateDirectory: directory.path))
        try writeDurably([1], to: "\(disks.cache.directory)/.part-x-1")
        try writeDurably([1], to: "\(disks.cache.directory)/kept.raw")
        disks.cache.removeParts()
        #expect(instanceFiles == ["instances/_base/kept.raw"])
    }
}

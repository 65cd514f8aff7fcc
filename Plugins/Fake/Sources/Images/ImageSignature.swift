import ComputeModel
import DriverAPI
import FoundationEssentials

/// The bytes by which files of some disk formats begin.
enum ImageSignature {
    private static let known: [String: (offset: Int, starts: [[UInt8]])] = [
        "qcow2": (0, [Array("QFI".utf8) + [0xfb]]),
        "vmdk": (0, [Array("KDMV".utf8), Array("# Disk DescriptorFile".utf8)]),
        "vhdx": (0, [Array("vhdxfile".utf8)]),
        "vdi": (64, [[0x7f, 0x10, 0xda, 0xbe]]),
    ]

    /// Looks whether a file can be what its image claims to be; formats without a signature can be anything.
    ///
    /// - Throws: ``DriverError/imageUnacceptable(_:)`` when it cannot.
    static func check(_ image: ImageSpec, at path: String) throws(DriverError) {
        guard let (offset, starts) = known[image.diskFormat] else { return }
        let head: Data
        do {
            head = try Data(contentsOf: URL(filePath: path), options: .alwaysMapped).prefix(offset + 64)
        } catch {
            throw .imageUnavailable("the image \(image.id) cannot be read at \(path): \(error)")
        }
        let bytes = Array(head.dropFirst(offset))
        guard starts.contains(where: { bytes.starts(with: $0) }) else {
            throw .imageUnacceptable("image \(image.id) claims to be \(image.diskFormat) and does not begin like one")
        }
    }
}

/// The first page of a swap space, as Linux wants it (`mkswap` writes the same).
enum SwapSpace {
    private static let page = 4096

    /// The page for a space of that size.
    static func header(bytes: UInt64) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: page)
        // Version 1, number of the last page, no bad pages; all little-endian behind 1024 bytes for boot loaders.
        let lastPage = UInt32(clamping: bytes / UInt64(page)) - 1
        for (offset, value) in [(1024, UInt32(1)), (1028, lastPage), (1032, 0)] {
            for index in 0..<4 { header[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
        }
        header.replaceSubrange((page - 10)..<page, with: "SWAPSPACE2".utf8)
        return header
    }
}

import ComputeModel
import WireJSON

extension ImageRecord {
    /// The image as the API shows it.
    func write(to w: inout JSONWriter) {
        let path = "/v2/images/\(id)"
        w.object { w in
            for (name, value) in properties.sorted(by: { $0.key < $1.key }) { w.field(name, value) }
            w.field("name", name)
            w.field("disk_format", diskFormat)
            w.field("container_format", containerFormat)
            w.field("visibility", visibility.rawValue)
            w.field("size", size.map { Int($0) })
            w.field("virtual_size", virtualSize.map { Int($0) })
            w.field("status", status.rawValue)
            w.field("checksum", checksum)
            w.field("protected", isProtected)
            w.field("min_ram", minRAM)
            w.field("min_disk", minDisk)
            w.field("owner", owner)
            w.field("os_hidden", isHidden)
            w.field("os_hash_algo", strongHash == nil ? nil : "sha512")
            w.field("os_hash_value", strongHash)
            w.field("id", "\(id)")
            w.field("created_at", createdAt.iso8601)
            w.field("updated_at", updatedAt.iso8601)
            w.field("tags", tags.sorted())
            w.field("self", path)
            w.field("file", "\(path)/file")
            w.field("schema", "/v2/schemas/image")
        }
    }

    /// The image as the API shows it.
    var json: [UInt8] {
        var writer = JSONWriter(capacity: 1024)
        write(to: &writer)
        return writer.bytes
    }
}

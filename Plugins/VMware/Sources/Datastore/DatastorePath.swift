/// A file or folder on a datastore, as vSphere writes it: `[datastore1] folder/file.vmdk`.
struct DatastorePath: Hashable, Sendable, CustomStringConvertible {
    let datastore: String
    /// Without a slash at either end.
    let path: String

    init(_ datastore: String, _ path: String) { (self.datastore, self.path) = (datastore, path) }

    /// Reads vSphere's form; `nil` for anything else.
    init?(_ text: String) {
        guard text.first == "[", let end = text.firstIndex(of: "]") else { return nil }
        datastore = String(text[text.index(after: text.startIndex)..<end])
        path = String(text[text.index(after: end)...].drop { $0 == " " })
    }

    var description: String { path.isEmpty ? "[\(datastore)]" : "[\(datastore)] \(path)" }

    /// What the path ends with.
    var name: String { path.split(separator: "/").last.map(String.init) ?? "" }

    /// The folder that holds it.
    var folder: DatastorePath {
        DatastorePath(datastore, path.split(separator: "/").dropLast().joined(separator: "/"))
    }

    func appending(_ name: String) -> DatastorePath {
        DatastorePath(datastore, path.isEmpty ? name : "\(path)/\(name)")
    }

    /// The file that holds the content of a flat disk beside its descriptor.
    var flat: DatastorePath {
        DatastorePath(datastore, (path.hasSuffix(".vmdk") ? String(path.dropLast(5)) : path) + "-flat.vmdk")
    }
}

extension DatastorePath {
    /// Where the file is over HTTP.
    func url(_ base: String, datacenterPath: String) -> String {
        let escaped = path.split(separator: "/").map { Self.escape(String($0)) }.joined(separator: "/")
        return "\(base)/folder/\(escaped)?dcPath=\(Self.escape(datacenterPath))&dsName=\(Self.escape(datastore))"
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                escaped += "%" + (digits.utf8.count < 2 ? "0" : "") + digits
            }
        }
        return escaped
    }
}

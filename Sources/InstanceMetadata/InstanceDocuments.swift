package import ComputeModel
import Glibc
import WireJSON

/// A document of a server.
package struct MetadataDocument: Sendable, Hashable {
    package enum ContentType: String, Sendable {
        case text = "text/plain; charset=UTF-8"
        case json = "application/json"
    }
    package var bytes: [UInt8]
    package var contentType: ContentType
    /// Where the text of a random seed stands, in documents that have one.
    package var seedRange: Range<Int>?

    package init(_ bytes: [UInt8], _ contentType: ContentType, seedRange: Range<Int>? = nil) {
        (self.bytes, self.contentType, self.seedRange) = (bytes, contentType, seedRange)
    }

    /// The document's bytes with another seed; as they are where there is none.
    package func reseeded(_ seed: [UInt8]) -> [UInt8] {
        guard let seedRange else { return bytes }
        let text = Base64.encode(seed)
        guard text.utf8.count == seedRange.count else { return bytes }
        var fresh = bytes
        fresh.replaceSubrange(seedRange, with: text.utf8)
        return fresh
    }

    init(text: String) { self.init(Array(text.utf8), .text) }
}

/// What a path of the metadata tree is.
package enum MetadataFound: Sendable, Hashable {
    /// A file.
    case document(MetadataDocument)
    /// A directory: its listing.
    case directory(MetadataDocument)
    /// The password, which changes: whoever serves the tree knows it.
    case password
    case notFound
}

/// The metadata tree of one server, in OpenStack's and EC2's layout; for the metadata service and for configuration
/// drives. Pure: the same facts and the same random bytes give the same documents.
package struct InstanceDocuments: Sendable {
    let facts: InstanceMetadataFacts
    /// Today as `yyyy-mm-dd`: versions dated later are not listed.
    private let today: String
    /// 512 bytes for the guest's pool of entropy.
    private let seed: @Sendable () -> [UInt8]

    /// The documents of a server.
    ///
    /// - Parameter randomSeed: gives 512 random bytes, anew at every call.
    package init(
        _ facts: InstanceMetadataFacts, now: Timestamp, randomSeed: @escaping @Sendable () -> [UInt8] = Self.systemSeed
    ) {
        self.facts = facts
        today = String(now.iso8601.prefix(10))
        seed = randomSeed
    }

    /// 512 bytes of the system's generator.
    package static let systemSeed: @Sendable () -> [UInt8] = {
        [UInt8](unsafeUninitializedCapacity: 512) { buffer, count in
            // The system gives up to 256 bytes at a time without ever failing or being interrupted.
            for start in [0, 256] { getentropy(buffer.baseAddress?.advanced(by: start), 256) }
            count = 512
        }
    }

    /// What is at a path: its segments, percent-decoded. Dots and empty segments are resolved; what begins neither
    /// with `openstack` nor with `ec2` is taken as EC2.
    package func find(_ segments: some Sequence<String>) -> MetadataFound {
        let path = Self.normalized(segments)
        switch path.first {
        case nil: return .directory(Self.list(Self.ec2Versions))
        case "openstack": return openStack(path.dropFirst())
        case "ec2": return ec2(path.dropFirst())
        default: return ec2(path[...])
        }
    }

    /// Paths as the tree means them.
    package static func normalized(_ segments: some Sequence<String>) -> [String] {
        var path: [String] = []
        for segment in segments {
            switch segment {
            case "", ".": break
            case "..": _ = path.popLast()
            default: path.append(segment)
            }
        }
        return path
    }

    /// The listing of `/`, for which nobody needs to be known.
    package static let rootListing = list(ec2Versions)

    private static let ec2Versions = EC2Version.allCases.map(\.rawValue) + ["latest"]

    static func list(_ names: [String]) -> MetadataDocument { MetadataDocument(text: names.joined(separator: "\n")) }

    // MARK: - OpenStack

    private func openStack(_ path: ArraySlice<String>) -> MetadataFound {
        guard let directory = path.first else {
            let known = MetadataVersion.allCases.map(\.rawValue).filter { $0 <= today }
            return .directory(Self.list(known + ["latest"]))
        }
        // Nothing is injected into guests: there is no content/.
        guard let version = MetadataVersion(directory: directory) else { return .notFound }
        let rest = path.dropFirst()
        guard let name = rest.first else { return .directory(Self.list(documentNames(version))) }
        guard rest.count == 1 else { return .notFound }
        if name == "password" { return version >= .grizzly ? .password : .notFound }
        return document(name, version).map { .document($0) } ?? .notFound
    }

    /// The names of a version's directory.
    private func documentNames(_ version: MetadataVersion) -> [String] {
        var names = ["meta_data.json"]
        if facts.userData != nil { names.append("user_data") }
        if version >= .grizzly { names.append("password") }
        if version >= .havana { names.append("vendor_data.json") }
        if version >= .liberty { names.append("network_data.json") }
        if version >= .newtonSecond { names.append("vendor_data2.json") }
        return names
    }

    private func document(_ name: String, _ version: MetadataVersion) -> MetadataDocument? {
        switch name {
        case "meta_data.json": return metaData(version, forDrive: false)
        case "user_data": return facts.userData.map { MetadataDocument($0, .text) }
        case "vendor_data.json" where version >= .havana:
            return MetadataDocument(JSONValue.object(facts.vendorData).serialized(), .json)
        // As Nova does, without asking for the version.
        case "network_data.json": return MetadataDocument(NetworkDocument.bytes(facts.interfaces), .json)
        case "vendor_data2.json" where version >= .newtonSecond:
            return MetadataDocument(JSONValue.object(["static": .object(facts.vendorData)]).serialized(), .json)
        default: return nil
        }
    }

    private func metaData(_ version: MetadataVersion, forDrive: Bool) -> MetadataDocument {
        MetaDataDocument(facts: facts, version: version, seed: seed, forDrive: forDrive).rendered
    }

    // MARK: - Configuration drives

    /// The files of a configuration drive by their path.
    ///
    /// - Parameter ec2Versions: `latest` alone unless more are asked for (`config_drive_skip_versions`).
    package func configDriveFiles(ec2Versions: [String] = ["latest"]) -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for directory in ec2Versions {
            guard let version = EC2Version(directory: directory) else { continue }
            let tree = EC2Tree(facts: facts, version: version)
            files["ec2/\(directory)/meta-data.json"] = tree.metaDataJSON
            if let userData = facts.userData { files["ec2/\(directory)/user-data"] = userData }
        }
        for directory in MetadataVersion.allCases.map(\.rawValue) + ["latest"] {
            guard let version = MetadataVersion(directory: directory) else { continue }
            let path = "openstack/\(directory)"
            files["\(path)/meta_data.json"] = metaData(version, forDrive: true).bytes
            for name in documentNames(version) where name != "password" && name != "meta_data.json" {
                files["\(path)/\(name)"] = document(name, version)?.bytes
            }
        }
        return files
    }

    // MARK: - EC2

    private func ec2(_ path: ArraySlice<String>) -> MetadataFound {
        guard let directory = path.first else { return .directory(Self.rootListing) }
        guard let version = EC2Version(directory: directory) else { return .notFound }
        return EC2Tree(facts: facts, version: version).find(path.dropFirst())
    }
}

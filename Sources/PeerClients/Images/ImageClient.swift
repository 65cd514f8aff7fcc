import AsyncHTTPClient
package import ComputeModel
package import NIOCore
import NIOHTTP1
package import WireJSON

/// The image service, version 2.
package struct ImageClient: Sendable {
    private let peer: AuthorizedPeer

    /// - Parameter peer: without the version: `http://host/image`.
    package init(_ peer: AuthorizedPeer) { self.peer = peer }

    /// One image, as the caller may see it.
    ///
    /// - Parameter token: the caller's; the service's own when `nil`.
    package func image(_ id: ImageID, token: String? = nil, requestID: String? = nil) async throws(PeerError)
        -> Image
    {
        let answer = try await peer.json(.GET, "/v2/images/\(id)", token: token, requestID: requestID)
        guard let image = Image(answer) else { throw .malformed(service: "image", reason: "image \(id)") }
        return image
    }

    /// The file of an image, piece by piece.
    package func download(_ id: ImageID, _ consume: (ByteBuffer) async throws -> Void) async throws {
        let headers = try await peer.headers()
        let response = try await peer.http.stream("/v2/images/\(id)/file", headers: headers)
        for try await piece in response.body { try await consume(piece) }
    }

    /// Fills an image that waits for its data.
    ///
    /// - Parameter length: how many bytes the pieces are together.
    package func upload(_ id: ImageID, _ pieces: some AsyncSequence<ByteBuffer, any Error> & Sendable, length: Int64)
        async throws(PeerError)
    {
        var headers = try await peer.headers()
        headers.add(name: "Content-Type", value: "application/octet-stream")
        try await peer.http.send(.PUT, "/v2/images/\(id)/file", headers: headers, pieces, length: length)
    }
}

/// An image and whether it can be used.
package struct Image: Sendable, Hashable {
    package var spec: ImageSpec
    /// `active`, `queued`, …
    package var status: String
    package var owner: String?
    package var visibility: String
    package var createdAt: Timestamp?
    package var updatedAt: Timestamp?

    /// Members of the answer that are the image's own and not properties.
    private static let base: Set<String> = [
        "id", "name", "status", "visibility", "protected", "checksum", "os_hash_algo", "os_hash_value", "os_hidden",
        "owner", "size", "virtual_size", "min_disk", "min_ram", "disk_format", "container_format", "created_at",
        "updated_at", "tags", "file", "schema", "self", "locations", "direct_url", "stores",
    ]

    /// The image service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let members = json.object, let id = json["id"]?.string.flatMap({ ImageID($0) }),
            let status = json["status"]?.string
        else { return nil }
        var properties: [String: String] = [:]
        for (key, value) in members where !Self.base.contains(key) {
            if let text = value.string { properties[key] = text }
        }
        spec = ImageSpec(
            id: id, name: json["name"]?.string ?? "", diskFormat: json["disk_format"]?.string ?? "",
            containerFormat: json["container_format"]?.string ?? "", sizeBytes: Int64(json["size"]?.int ?? 0),
            checksum: json["checksum"]?.string, hashAlgorithm: json["os_hash_algo"]?.string,
            hashValue: json["os_hash_value"]?.string, minDiskGiB: json["min_disk"]?.int ?? 0,
            minMemoryMiB: json["min_ram"]?.int ?? 0, properties: properties)
        self.status = status
        owner = json["owner"]?.string
        visibility = json["visibility"]?.string ?? "private"
        createdAt = json["created_at"]?.string.flatMap { Timestamp(iso8601: $0) }
        updatedAt = json["updated_at"]?.string.flatMap { Timestamp(iso8601: $0) }
    }
}

import APIVersioning
import HTTPService
import ServiceOptions
import WireJSON

/// The documents by which clients find the versions of the API. Everybody may read them.
struct VersionDocuments {
    let options: APIOptions

    private struct Version {
        let id: String
        let segment: String
        let status: String
        let newest: String
        let oldest: String
        let updated: String
        let mediaType: String
    }

    private static let legacy = Version(
        id: "v2.0", segment: "v2", status: "DEPRECATED", newest: "", oldest: "", updated: "2011-01-21T11:33:21Z",
        mediaType: "application/vnd.openstack.compute+json;version=2")
    private static let current = Version(
        id: "v2.1", segment: "v2.1", status: "CURRENT", newest: ComputeVersions.maximum.description,
        oldest: ComputeVersions.minimum.description, updated: "2013-07-23T11:33:21Z",
        mediaType: "application/vnd.openstack.compute+json;version=2.1")

    /// The answer, or nil for paths of the API proper.
    func answer(_ request: HTTPRequest) -> HTTPResponse? {
        let segments = request.pathSegments
        let prefix = Links.prefix(request, options.computeLinkPrefix)
        guard let base = segments.first else { return .json(200, list(prefix)) }
        guard base == "v2" || base == "v2.1" else { return .json(300, choices(prefix, request)) }
        guard segments.count == 1 else { return nil }
        if base == "v2" { return .json(200, Self.document(Self.legacy, prefix)) }
        do throws(MicroversionRefusal) {
            let version = try ComputeVersions.negotiate(request.headers)
            var response = HTTPResponse.json(200, Self.document(Self.current, prefix))
            ComputeVersions.mark(&response, version)
            return response
        } catch {
            return ComputeFault(status: error.status, message: error.message).response()
        }
    }

    /// The document of one version by its id; nil for an id that there is not.
    static func document(id: String, prefix: String) -> [UInt8]? {
        [legacy, current].first { $0.id == id }.map { document($0, prefix) }
    }

    private func list(_ prefix: String) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.object { w in
            w.array("versions") { w in
                for version in [Self.legacy, Self.current] {
                    w.object { w in
                        w.field("id", version.id)
                        w.field("status", version.status)
                        w.field("version", version.newest)
                        w.field("min_version", version.oldest)
                        w.field("updated", version.updated)
                        w.array("links") { Links.write("self", "\(prefix)/\(version.segment)/", to: &$0) }
                    }
                }
            }
        }
        return writer.bytes
    }

    private static func document(_ version: Version, _ prefix: String) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.object { w in
            w.object("version") { w in
                w.field("id", version.id)
                w.field("status", version.status)
                w.field("version", version.newest)
                w.field("min_version", version.oldest)
                w.field("updated", version.updated)
                w.array("links") { w in
                    Links.write("self", "\(prefix)/\(version.segment)/", to: &w)
                    Links.write("describedby", "http://docs.openstack.org/", type: "text/html", to: &w)
                }
                mediaTypes(version, &w)
            }
        }
        return writer.bytes
    }

    /// What any path without a version gets: the versions to choose from.
    private func choices(_ prefix: String, _ request: HTTPRequest) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.object { w in
            w.array("choices") { w in
                for version in [Self.legacy, Self.current] {
                    w.object { w in
                        w.field("id", version.id)
                        w.field("status", version.status)
                        w.array("links") { Links.write("self", "\(prefix)/\(version.segment)\(request.path)", to: &$0) }
                        Self.mediaTypes(version, &w)
                    }
                }
            }
        }
        return writer.bytes
    }

    private static func mediaTypes(_ version: Version, _ writer: inout JSONWriter) {
        writer.array("media-types") { w in
            w.object { w in
                w.field("base", "application/json")
                w.field("type", version.mediaType)
            }
        }
    }
}

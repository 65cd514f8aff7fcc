import APIVersioning
import HTTPService
import WireJSON

/// The version document.
enum RootController {
    @Sendable static func show(_ call: PlacementCall) async throws -> HTTPResponse { document(call) }

    static func document(_ call: PlacementCall) -> HTTPResponse {
        var writer = JSONWriter(capacity: 256)
        writer.object { w in
            w.array("versions") { w in
                w.object { w in
                    w.field("id", "v\(PlacementVersions.minimum)")
                    w.field("max_version", PlacementVersions.maximum.description)
                    w.field("min_version", PlacementVersions.minimum.description)
                    w.field("status", "CURRENT")
                    w.array("links") { w in
                        w.object { w in
                            w.field("rel", "self")
                            w.field("href", "")
                        }
                    }
                }
            }
        }
        return call.answer(writer)
    }
}

/// Responders under path prefixes ("/compute", "/identity"); the longest prefix that consists of whole segments wins.
/// A responder sees the rest of the path, and the prefix as `mountPath`.
package struct MountedResponder: HTTPResponder {
    private struct Mount {
        let segments: [String]
        let responder: any HTTPResponder
    }

    /// Longest first.
    private let mounts: [Mount]
    private let fallback: any HTTPResponder

    /// Mounts the responders; what is under no prefix goes to `fallback` with its whole path.
    package init(mounts: [String: any HTTPResponder], fallback: any HTTPResponder) {
        self.mounts = mounts.map { prefix, responder in
            Mount(segments: prefix.split(separator: "/").map(String.init), responder: responder)
        }.sorted { $0.segments.count > $1.segments.count }
        self.fallback = fallback
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        let (responder, request) = target(of: request)
        return await responder.respond(to: request)
    }

    package func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? {
        let (responder, request) = target(of: request)
        return responder.respondAtOnce(to: request)
    }

    private func target(of request: HTTPRequest) -> (any HTTPResponder, HTTPRequest) {
        let segments = request.pathSegments
        for mount in mounts where segments.starts(with: mount.segments) {
            let depth = mount.segments.count
            return (mount.responder, depth == 0 ? request : request.mounted(droppingSegments: depth))
        }
        return (fallback, request)
    }
}

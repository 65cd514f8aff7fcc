package import ComputeModel
package import ComputeStore
package import HTTPService
import InstanceMetadata
package import Logging

/// The metadata service that guests ask at 169.254.169.254.
///
/// A caller is known by the network on whose socket it asks together with its address there, or by a proxy's signed
/// headers. Whoever is not known gets nothing but the list of versions.
package struct MetadataAPI: HTTPResponder {
    private let options: MetadataAPIOptions
    private let store: ComputeStore
    private let callers: MetadataCallers
    private let cache: ServerCache
    private let steady: @Sendable () -> ContinuousClock.Instant
    private let logger: Logger

    /// The largest password that a guest may leave, in bytes.
    static let passwordBytesMax = 1020

    /// - Parameter steady: the clock by which documents age.
    package init(
        _ options: MetadataAPIOptions, store: ComputeStore, logger: Logger,
        steady: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        (self.options, self.store, self.logger, self.steady) = (options, store, logger, steady)
        callers = MetadataCallers(options)
        cache = ServerCache(serversMax: options.cachedServersMax, now: steady)
        if options.servesProxies, options.sharedSecret.isEmpty {
            logger.warning("metadata proxies are refused: metadata_proxy_shared_secret is empty")
        }
    }

    /// Forgets what is kept of a server, because it has changed; of all servers without `id`.
    package func invalidate(_ id: InstanceID? = nil) { cache.invalidate(id) }

    package func respondAtOnce(to request: HTTPRequest) -> HTTPResponse? {
        guard request.method == .GET || request.method == .HEAD else { return nil }
        do throws(MetadataFault) {
            guard let caller = try callers.identify(request) else { return unidentified(request) }
            guard let server = cache.kept(caller), isOwner(caller, server) else { return nil }
            switch server.find(request) {
            case .response(let response): return response
            case .nothing: return MetadataFault.notFound.response
            case .password: return nil
            }
        } catch {
            return error.response
        }
    }

    package func respond(to request: HTTPRequest) async -> HTTPResponse {
        do {
            guard let caller = try callers.identify(request) else { return unidentified(request) }
            guard let server = try await server(caller) else {
                if InstanceDocuments.normalized(request.pathSegments).isEmpty { return unidentified(request) }
                logger.notice("no metadata for this caller", metadata: ["caller": "\(caller)"])
                return MetadataFault.notFound.response
            }
            switch server.find(request) {
            case .response(let response):
                return request.method == .GET || request.method == .HEAD
                    ? response : MetadataFault.methodNotAllowed.response
            case .password: return try await password(of: server, request)
            case .nothing: return MetadataFault.notFound.response
            }
        } catch let fault as MetadataFault {
            return fault.response
        } catch {
            logger.error("metadata request failed", metadata: ["request.id": "\(request.id)", "error": "\(error)"])
            return MetadataFault.failed.response
        }
    }

    /// What strangers get: the versions, and nothing else.
    private func unidentified(_ request: HTTPRequest) -> HTTPResponse {
        guard InstanceDocuments.normalized(request.pathSegments).isEmpty else { return MetadataFault.notFound.response }
        let listing = InstanceDocuments.rootListing
        return HTTPResponse(
            status: 200, headers: ["Content-Type": listing.contentType.rawValue], body: .bytes(listing.bytes))
    }

    private func server(_ caller: MetadataCaller) async throws -> CachedServer? {
        let server = try await cache.server(caller) { try await load(caller) }
        guard let server, isOwner(caller, server) else { return nil }
        return server
    }

    private func isOwner(_ caller: MetadataCaller, _ server: CachedServer) -> Bool {
        switch caller {
        case .address: true
        case .instance(_, let project): server.projectID == project
        }
    }

    private func load(_ caller: MetadataCaller) async throws -> CachedServer? {
        let id: InstanceID
        switch caller {
        case .address(let network, let address):
            guard let found = try await store.instance(at: address, on: network) else { return nil }
            id = found
        case .instance(let named, _): id = named
        }
        guard let work = try await store.work(on: id), !work.instance.isDeleted else { return nil }
        let facts = InstanceMetadataFacts(work, options.documents)
        return CachedServer(
            id: id, projectID: work.instance.projectID, documents: InstanceDocuments(facts, now: store.now()),
            expiresAt: steady() + options.cacheLifetime)
    }

    private func password(of server: CachedServer, _ request: HTTPRequest) async throws -> HTTPResponse {
        switch request.method {
        case .GET, .HEAD:
            let password = try await store.password(of: server.id) ?? ""
            return HTTPResponse(
                status: 200, headers: ["Content-Type": MetadataContentType.text], body: .bytes(Array(password.utf8)))
        case .POST:
            let bytes: [UInt8]
            do {
                bytes = try await request.body.collect(upTo: Self.passwordBytesMax)
            } catch .tooLarge {
                throw MetadataFault.badRequest("Request is too large.")
            }
            guard let password = String(validating: bytes, as: UTF8.self) else {
                throw MetadataFault.badRequest("The password is not UTF-8.")
            }
            // As Nova does: nothing is no password, and another may follow.
            if !password.isEmpty, try await !store.storePassword(password, of: server.id) {
                throw MetadataFault.conflict
            }
            return HTTPResponse(status: 200, headers: ["Content-Type": MetadataContentType.text])
        default: throw MetadataFault.badRequest("GET and POST only are supported.")
        }
    }
}

private enum MetadataContentType {
    static let text = MetadataDocument.ContentType.text.rawValue
}

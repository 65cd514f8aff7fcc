import AsyncHTTPClient
package import DriverAPI
import Glibc
import NIOCore
import NIOHTTP1
import NIOSSL

/// HTTP for drivers: what a host lends them as `DriverHost.exchange`.
///
/// Drivers cannot bring an HTTP client of their own: a library that host and driver both link exists twice. One object
/// serves a process; it keeps connections by peer and by how the peer proves who it is.
package final class DriverHTTPClient: Sendable {
    private let clients = Locked<[DriverHTTPRequest.Trust: HTTPClient]>([:])

    package init() {}

    // Ending a client takes time, and one that is given up before traps.
    deinit {
        for client in clients.with({ $0.values.map(\.self) }) { client.shutdown { _ in _ = client } }
    }

    /// Ends all connections. No exchange may follow.
    package func shutDown() async {
        let all = clients.with { clients in
            defer { clients = [:] }
            return Array(clients.values)
        }
        for client in all { try? await client.shutdown() }
    }

    /// One exchange; see `DriverHost.exchange`.
    package func exchange(_ request: DriverHTTPRequest) async throws(DriverError) -> DriverHTTPAnswer {
        do {
            return try await withThrowingTaskGroup(of: DriverHTTPAnswer?.self) { group in
                group.addTask { try await self.carryOut(request) }
                // The client's own deadline ends with the head of the answer; a body may stall as well.
                group.addTask {
                    try await Task.sleep(for: request.timeout)
                    return nil
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let answer = first else {
                    throw HTTPClientError.deadlineExceeded
                }
                return answer
            }
        } catch {
            throw Self.driverError(error, request)
        }
    }

    private func carryOut(_ request: DriverHTTPRequest) async throws -> DriverHTTPAnswer {
        let client = try client(for: request.trust)
        let response = try await client.execute(
            try await prepare(request), deadline: .now() + .nanoseconds(Self.nanoseconds(request.timeout)))
        let headers = response.headers.map { DriverHTTPRequest.Header($0.name, $0.value) }
        let body = try await take(response, request)
        return DriverHTTPAnswer(status: Int(response.status.code), headers: headers, body: body)
    }

    private func prepare(_ request: DriverHTTPRequest) async throws -> HTTPClientRequest {
        var prepared = HTTPClientRequest(url: request.url)
        prepared.method = HTTPMethod(rawValue: request.method)
        for header in request.headers { prepared.headers.add(name: header.name, value: header.value) }
        switch request.body {
        case .none: break
        case .bytes(let bytes): prepared.body = .bytes(ByteBuffer(bytes: bytes))
        case .file(let path):
            let (pieces, length) = try FilePieces.open(path)
            prepared.body = .stream(pieces, length: .known(length))
        }
        return prepared
    }

    private func take(_ response: HTTPClientResponse, _ request: DriverHTTPRequest) async throws -> [UInt8] {
        switch request.sink {
        case .memory(let bytesMax):
            var bytes: [UInt8] = []
            for try await piece in response.body {
                guard bytes.count + piece.readableBytes <= bytesMax else {
                    throw DriverError.failed("the answer to \(Self.name(request)) is longer than \(bytesMax) bytes")
                }
                bytes += piece.readableBytesView
            }
            // A body that is given up ends like one that is whole.
            try Task.checkCancellation()
            return bytes
        case .file(let path):
            guard response.status == .ok else {
                var bytes: [UInt8] = []
                // The reason why there is no file; a peer may go on telling it for ever.
                for try await piece in response.body {
                    bytes += piece.readableBytesView.prefix(65536 - bytes.count)
                    if bytes.count == 65536 { break }
                }
                return bytes
            }
            try await FileSink.write(response.body, to: path)
            return []
        }
    }

    private func client(for trust: DriverHTTPRequest.Trust) throws -> HTTPClient {
        let (found, made): (HTTPClient?, HTTPClient?) = try {
            if let known = clients.with({ $0[trust] }) { return (known, nil) }
            return (nil, HTTPClient(eventLoopGroupProvider: .singleton, configuration: try Self.configuration(trust)))
        }()
        if let found { return found }
        guard let made else { throw HTTPClientError.alreadyShutdown }
        let kept = clients.with { clients in
            if let other = clients[trust] { return other }
            clients[trust] = made
            return made
        }
        // Another call was faster; a client must be ended before it is given up.
        if kept !== made { made.shutdown { _ in } }
        return kept
    }

    private static func configuration(_ trust: DriverHTTPRequest.Trust) throws -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        switch trust {
        case .system: break
        case .authorities(let path): tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
        case .anyone: tls.certificateVerification = .none
        }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = .seconds(10)
        configuration.connectionPool.idleTimeout = .seconds(30)
        // Else a request to a peer that is not there waits for its whole time before it says so.
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    /// Without query and user: they may hold what permits the call.
    private static func name(_ request: DriverHTTPRequest) -> String {
        let plain = request.url.prefix { $0 != "?" }
        let slashes = plain.lastIndex(of: "@").map { at in plain[..<at].firstIndex(of: "/") ?? plain.startIndex }
        guard let slashes, let at = plain.lastIndex(of: "@") else { return "\(request.method) \(plain)" }
        return "\(request.method) \(plain[...slashes])/\(plain[plain.index(after: at)...])"
    }

    private static func driverError(_ error: any Error, _ request: DriverHTTPRequest) -> DriverError {
        let what = name(request)
        switch error {
        case let error as DriverError: return error
        case is CancellationError: return .cancelled
        case let error as HTTPClientError where error == .cancelled: return .cancelled
        case let error as HTTPClientError
        where error == .deadlineExceeded || error == .readTimeout || error == .connectTimeout:
            return Task.isCancelled ? .cancelled : .timedOut("\(what): no answer within \(request.timeout)")
        case let error as NIOSSLError:
            return .refused("\(what): the peer's certificate is not trusted: \(error)")
        case let error as NIOSSLExtraError:
            return .refused("\(what): the peer's certificate is not trusted: \(error)")
        case let error as FileTrouble: return error.driverError
        default:
            let text = "\(error)"
            if text.contains("CERTIFICATE_VERIFY_FAILED") || text.contains("handshakeFailed") {
                return .refused("\(what): the peer's certificate is not trusted: \(text)")
            }
            return Task.isCancelled ? .cancelled : .unreachable("\(what): \(text)")
        }
    }

    private static func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max / 4 : min(product + attoseconds / 1_000_000_000, .max / 4)
    }
}

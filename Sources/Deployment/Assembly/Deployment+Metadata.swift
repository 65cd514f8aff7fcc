import ComputeModel
import ComputeStore
import Conductor
import Glibc
import HTTPService
import Logging
import MetadataHTTP
import ServiceOptions

extension Deployment {
    var processID: Int32 { getpid() }

    /// The metadata service, listening for proxies if that is configured; the network worker adds sockets inside
    /// namespaces.
    func startMetadata(_ store: ComputeStore, _ accounts: Accounts) async throws -> HTTPServer {
        let service = up.options.apiService
        var options = MetadataAPIOptions()
        options.documents = try metadataDocuments()
        options.cacheLifetime = up.options.api.metadataCacheExpiration
        options.servesProxies = up.options.network.trustsMetadataProxy
        let secret = up.options.network.metadataProxySecret.revealed
        options.sharedSecret = secret.isEmpty ? accounts.metadataSecret : secret
        let api = MetadataAPI(options, store: store, logger: logger("metadata"))
        let server = HTTPServer(
            listeners: service.metadataListen.map { [.tcp(host: $0, port: service.metadataPort)] } ?? [],
            responder: api,
            logger: logger("metadata"))
        do {
            if let bound = try await server.start().first {
                try state.write("run/metadata", bound.url + "\n", mode: 0o644)
            }
        } catch let error as HTTPServerError {
            throw DeploymentError(.unavailable, "the metadata service: \(error)")
        }
        return server
    }

    private func metadataDocuments() throws(DeploymentError) -> MetadataDocumentOptions {
        var documents = MetadataDocumentOptions()
        documents.domain = up.options.api.dhcpDomain
        if let path = up.options.api.vendorDataPath {
            do {
                documents.vendorData = try MetadataDocumentOptions.vendorData(file: path)
            } catch {
                throw DeploymentError(.configuration, "[api] vendordata_jsonfile_path: \(error)")
            }
        }
        return documents
    }

    /// The files of configuration drives, made by the metadata service's own documents.
    func makeConfigDriveFiles() throws(DeploymentError) -> ConfigDriveFiles {
        let documents = ConfigDriveDocuments(try metadataDocuments(), now: Timestamp.now)
        return { work, interfaces, password in documents.files(work, interfaces, adminPassword: password) }
    }
}

import FoundationEssentials
package import WireJSON

/// How the metadata service answers.
package struct MetadataAPIOptions: Sendable {
    /// How long a server's documents are kept (`metadata_cache_expiration`); zero: not at all.
    package var cacheLifetime: Duration = .seconds(15)
    /// Servers whose documents are kept at a time.
    package var cachedServersMax = 4096
    /// Whether a proxy's signed headers are believed (`service_metadata_proxy`).
    package var servesProxies = false
    /// The key of those signatures (`metadata_proxy_shared_secret`). While it is empty every proxy is refused.
    package var sharedSecret = ""
    /// What the documents show of the deployment.
    package var documents = MetadataDocumentOptions()

    /// The defaults.
    package init() {}
}

/// What a server's documents show of the deployment; the same for the service and for configuration drives.
package struct MetadataDocumentOptions: Sendable {
    /// The domain after host names (`dhcp_domain`); empty for none.
    package var domain = "novalocal"
    /// `vendor_data.json` of every server.
    package var vendorData: JSONObject = [:]

    /// The defaults.
    package init() {}

    /// Reads the operator's file (`vendordata_jsonfile_path`).
    ///
    /// - Throws: ``VendorDataError`` with the file and the remedy in its text.
    package static func vendorData(file path: String) throws -> JSONObject {
        let bytes: [UInt8]
        do {
            bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        } catch {
            throw VendorDataError(description: "The vendor data file \(path) cannot be read: \(error)")
        }
        do {
            guard let object = try JSONParser.parse(bytes).object else {
                throw VendorDataError(description: "The vendor data file \(path) holds no JSON object.")
            }
            return object
        } catch let error as JSONParseError {
            throw VendorDataError(description: "The vendor data file \(path) is no JSON: \(error)")
        }
    }
}

/// Why the operator's vendor data cannot be served.
package struct VendorDataError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

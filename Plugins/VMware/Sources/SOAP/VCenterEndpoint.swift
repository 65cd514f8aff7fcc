import DriverAPI

/// Where a vCenter is, who we are there and how it proves who it is.
struct VCenterEndpoint: Hashable, Sendable {
    let host: String
    let port: Int
    let user: String
    let password: String
    let trust: DriverHTTPRequest.Trust
    /// How often a reading call is repeated while there is no connection.
    let retriesMax: Int

    /// `vcenter.example:443`, with brackets around an IPv6 address.
    var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }
    var base: String { "https://\(authority)" }
}

/// The service objects of a vCenter and what it says of itself.
struct ServiceContent: Hashable, Sendable {
    let rootFolder: ManagedReference
    let propertyCollector: ManagedReference
    let sessionManager: ManagedReference
    let viewManager: ManagedReference
    let searchIndex: ManagedReference
    let fileManager: ManagedReference
    let virtualDiskManager: ManagedReference
    let apiType: String
    let apiVersion: String
    let version: String
    let fullName: String
    let instanceUUID: String

    /// The oldest version of the API that this driver speaks to.
    static let oldestVersion = (6, 5)

    init(_ element: XMLElement) throws(VimFailure) {
        func reference(_ name: String) throws(VimFailure) -> ManagedReference {
            guard let found = element[name]?.reference else {
                throw .driver(.failed("vCenter's service content has no \(name)"))
            }
            return found
        }
        rootFolder = try reference("rootFolder")
        propertyCollector = try reference("propertyCollector")
        sessionManager = try reference("sessionManager")
        viewManager = try reference("viewManager")
        searchIndex = try reference("searchIndex")
        fileManager = try reference("fileManager")
        virtualDiskManager = try reference("virtualDiskManager")
        apiType = element.string("about/apiType") ?? ""
        apiVersion = element.string("about/apiVersion") ?? ""
        version = element.string("about/version") ?? ""
        fullName = element.string("about/fullName") ?? ""
        instanceUUID = element.string("about/instanceUuid") ?? ""
    }

    /// Major and minor number of the API's version.
    var apiNumbers: (Int, Int) {
        let parts = apiVersion.split(separator: ".").map { Int($0) ?? 0 }
        return (parts.first ?? 0, parts.count > 1 ? parts[1] : 0)
    }

    /// Throws where this driver cannot work with the server.
    func check(_ authority: String) throws(VimFailure) {
        guard apiType == "VirtualCenter" else {
            throw .driver(
                .badConfiguration(
                    "[vmware] host_ip: \(authority) is \(fullName), not a vCenter; give the address of a vCenter"))
        }
        guard apiNumbers >= Self.oldestVersion else {
            throw .driver(
                .badConfiguration(
                    "[vmware] host_ip: \(authority) speaks version \(apiVersion) of the vSphere API; this driver needs "
                        + "\(Self.oldestVersion.0).\(Self.oldestVersion.1) or newer"))
        }
    }
}
